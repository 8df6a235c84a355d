"""Pictures side by side, each on its own scale."""

import numpy as np
import pytest

from bnrun.recording.tiles import tile


def test_each_picture_is_scaled_to_its_own_largest_value() -> None:
    pictures = np.array([[[-1.0, 0.0, 1.0]], [[-10.0, 5.0, 10.0]]])
    grid = tile(pictures)
    size = 256 // 6
    assert grid[0, : 3 * size : size].tolist() == [0, 127, 254]
    second = grid[0, 3 * size + 1 :]
    assert second[: 3 * size : size].tolist() == [0, 190, 254]


def test_pictures_fill_a_square_row_by_row_with_lines_between_them() -> None:
    pictures = np.ones((5, 200, 100)) * np.array([1, -1, 1, -1, 1])[:, None, None]
    grid = tile(pictures)
    assert grid.shape == (2 * 201, 3 * 101)
    white = grid[100, [50, 151, 252]].tolist(), grid[301, [50, 151, 252]].tolist()
    assert white == ([254, 0, 254], [0, 254, 0])
    assert not grid[:, 100].any()
    assert not grid[200].any()


@pytest.mark.parametrize("odd", [0.0, np.nan, np.inf])
def test_pictures_of_zeros_or_nan_are_grey(odd: float) -> None:
    assert tile(np.full((1, 300, 300), odd))[:-1, :-1].min() == 127
