"""Means over seeds with their confidence intervals, as numbers and as text."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean with its confidence interval, mean - half .. mean + half.

    mean    over the finite values; NaN if there are none
    half    half the width of the interval; NaN if fewer than two values are finite
    number  of finite values
    """

    mean: NDArray[np.float64]
    half: NDArray[np.float64]
    number: NDArray[np.int64]


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean over the last axis, [..., R] -> [...].

    Values that are not finite are left out, so that one diverged seed does not hide the others.
    Source: Student, The probable error of a mean (1908).
    """
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    number = finite.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.where(finite, values, 0.0).sum(-1) / number
        squares = np.where(finite, values - mean[..., None], 0.0) ** 2
        error = np.sqrt(squares.sum(-1) / (number - 1) / number)
        half = stdtrit(np.maximum(number - 1, 1), (1 + confidence) / 2) * error
    return Interval(mean, np.where(number > 1, half, np.nan), number)


def decimals(rows: Iterable[Sequence[float]]) -> int:
    """Number of decimals that shows two digits of the median half width of these rows over seeds.

    At least 3 if that half width is below 1; 4 if no row has a width.
    """
    intervals = [mean_interval(row) for row in rows if row]
    # Rounding can give equal values a width.
    halves = [float(half) for mean, half, _ in intervals if half > 1e-9 * abs(mean)]
    return places(halves)


def places(halves: Sequence[float]) -> int:
    """Number of decimals that shows two digits of the median half width, as in `decimals`."""
    if not halves:
        return 4
    half = statistics.median(halves)
    return max(3 if half < 1 else 0, 1 - math.floor(math.log10(half)))


def interval_text(values: Sequence[float], digits: int) -> str:
    """Mean ± half the 95 % interval of values over seeds, with this many decimals.

    A single value has no interval. "none" if no value is finite, "" if there are no values.
    """
    if not values:
        return ""
    mean, half, number = mean_interval(values)
    if number == 0:
        return "none"
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if number > 1 else "")
