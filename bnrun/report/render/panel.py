"""Lines with bands over seeds, before anyone decides how they are drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnrun.recording.intervals import mean_interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A mean over seeds at the points x, with its 95 % interval low .. high (NaN for one seed)."""

    label: str
    x: Array
    mean: Array
    low: Array
    high: Array

    @classmethod
    def over_seeds(cls, label: str, x: Array, values: Array) -> "Line":
        """The mean of values [T, R] at x [T], without the points where no seed is finite."""
        mean, half, number = mean_interval(values)
        known = number > 0
        return cls(label, x[known], mean[known], (mean - half)[known], (mean + half)[known])


@dataclass(frozen=True)
class Panel:
    """Lines that share their axes.

    log, log_x  whether the vertical and the horizontal axis are logarithmic
    points      whether only the marks are drawn
    on_page     whether the page has room for it; --figures writes every panel
    """

    title: str
    xlabel: str
    ylabel: str
    lines: list[Line]
    log: bool = False
    log_x: bool = False
    points: bool = False
    on_page: bool = True
