"""Confidence intervals over seeds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean with its confidence interval, mean - half .. mean + half.

    mean    over the finite values; NaN where there is none
    half    half the interval's width; NaN where fewer than two values are finite
    number  of finite values
    """

    mean: NDArray[np.float64]
    half: NDArray[np.float64]
    number: NDArray[np.int64]


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean over the last axis, [..., R] -> [...].

    Values that are not finite are left out: one diverged seed does not hide the others.
    Source: Student, The probable error of a mean (1908).
    """
    # Here, because it takes a third of a second that --help need not wait for.
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    number = finite.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.where(finite, values, 0.0).sum(-1) / number
        squares = np.where(finite, values - mean[..., None], 0.0) ** 2
        error = np.sqrt(squares.sum(-1) / (number - 1) / number)
        half = stdtrit(np.maximum(number - 1, 1), (1 + confidence) / 2) * error
    return Interval(mean, np.where(number > 1, half, np.nan), number)
