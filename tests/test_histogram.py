"""Histograms for TensorBoard, against torch's own."""

import numpy as np
import pytest
from numpy.typing import NDArray
from torch.utils.tensorboard import summary

from bnrun.recording import summaries

DRAW = np.random.default_rng(0)


class WithoutDot(np.ndarray):  # type: ignore[type-arg]
    """NumPy's products wake its threads, see `summaries.histogram`."""

    def dot(self, *factors: object, **options: object) -> None:
        raise AssertionError("a histogram must not wake NumPy's threads")


@pytest.mark.parametrize(
    "values",
    [
        DRAW.standard_normal(999),
        DRAW.standard_normal((3, 50)),
        DRAW.integers(0, 2, 50).astype(float),
        np.full(5, 0.3),
        np.array([-2.0]),
    ],
    ids=["normal", "matrix", "bits", "constant", "single"],
)
def test_a_histogram_is_that_of_torch_without_a_product_of_numpy(
    values: NDArray[np.float64],
) -> None:
    (ours,) = summaries.histogram("logits", values.view(WithoutDot)).value
    (theirs,) = summary.histogram("logits", values, bins=64).value
    assert ours.tag == theirs.tag
    assert list(ours.histo.bucket) == list(theirs.histo.bucket)
    assert list(ours.histo.bucket_limit) == list(theirs.histo.bucket_limit)
    for name in ("min", "max", "num", "sum", "sum_squares"):
        assert getattr(ours.histo, name) == pytest.approx(getattr(theirs.histo, name), rel=1e-12)
