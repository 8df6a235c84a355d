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

    def vertical(self) -> tuple[float, float]:
        """Ends of the vertical axis; bands much wider than the range of the curves are cut off."""
        means = np.concatenate([line.mean for line in self.lines])
        ends = np.concatenate([means, *(e for line in self.lines for e in (line.low, line.high))])
        if self.log:
            means, ends = (np.log10(values[values > 0]) for values in (means, ends))
        ends = ends[np.isfinite(ends)]
        if not len(ends):
            return (0.1, 1.0) if self.log else (0.0, 1.0)
        low, high = float(ends.min()), float(ends.max())
        room = float(means.max() - means.min())
        margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
        low, high = low - margin, high + margin
        if room > 0 and not self.points:
            low, high = max(low, float(means.min()) - room), min(high, float(means.max()) + room)
        return (10**low, 10**high) if self.log else (low, high)
