"""Intervals of means over seeds, as numbers and as text."""

import numpy as np
import pytest
from scipy import stats

from bnrun.recording.intervals import interval_text, mean_interval


@pytest.mark.parametrize("number", [2, 3, 5, 30])
def test_the_interval_equals_scipys(number: int) -> None:
    values = np.random.default_rng(number).normal(3.0, 2.0, size=(4, number))
    interval = mean_interval(values)
    lower, upper = stats.t.interval(
        0.95, number - 1, loc=values.mean(-1), scale=stats.sem(values, axis=-1)
    )
    np.testing.assert_allclose(interval.mean - interval.half, lower, rtol=1e-9)
    np.testing.assert_allclose(interval.mean + interval.half, upper, rtol=1e-9)


def test_values_that_are_not_finite_are_left_out() -> None:
    clean = mean_interval([1.0, 2.0, 4.0])
    dirty = mean_interval([1.0, np.nan, 2.0, np.inf, 4.0, -np.inf])
    assert dirty == clean
    assert dirty.number == 3


def test_a_single_value_has_no_interval_and_none_has_no_mean() -> None:
    mean, half, number = mean_interval([[5.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(mean, [5.0, np.nan])
    np.testing.assert_array_equal(half, [np.nan, np.nan])
    np.testing.assert_array_equal(number, [1, 0])


def test_the_text_of_an_interval_says_what_there_is() -> None:
    texts = [interval_text(row, 2) for row in ([], [np.nan], [np.nan, 5.0], [4.0, 6.0])]
    assert texts == ["", "none", "5.00", "5.00 ± 12.71"]


def test_the_interval_of_equal_values_has_no_width() -> None:
    assert mean_interval([0.1, 0.1, 0.1]).half == pytest.approx(0.0, abs=1e-15)


def test_the_interval_covers_the_true_mean_in_95_of_100_cases() -> None:
    values = np.random.default_rng(0).normal(size=(40_000, 4))
    interval = mean_interval(values)
    covered = np.abs(interval.mean) <= interval.half
    # Standard error .0011: four of them.
    assert abs(covered.mean() - 0.95) < 0.0044
