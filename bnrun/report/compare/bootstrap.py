"""Statistics over several settings, with stratified bootstrap intervals.

Scores are larger is better; a seed that diverged is -inf, worse than any number.

Source: Agarwal, Schwarzer, Castro, Courville, Bellemare, Deep reinforcement learning at the edge of
the statistical precipice (2021), arXiv 2108.13264. Their library is rliable.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bnrun.report.compare.statistics import ALPHA, Array

DRAWS = 2000
"""Bootstrap samples; the ends of an interval move by 2 % of its width from one seed to another."""


class Estimate(NamedTuple):
    """A number with its 95 % percentile interval low .. high."""

    value: float
    low: float
    high: float


class Sample(NamedTuple):
    """The scores of one contestant in all settings, and how often each is in a bootstrap sample.

    values  per setting, [seeds]
    counts  per setting, [draws, seeds]; the sum over seeds is always their number
    """

    values: list[Array]
    counts: list[Array]

    @classmethod
    def draw(cls, values: Sequence[Array], rng: np.random.Generator) -> "Sample":
        """Draw the seeds of each setting with replacement, so that each keeps its number."""
        counts = [
            rng.multinomial(len(row), np.full(len(row), 1 / len(row)), DRAWS).astype(np.float64)
            for row in values
        ]
        return cls(list(values), counts)


def interquartile_mean(sample: Sample) -> Estimate:
    """Mean of the middle half of all scores: a quarter of them, rounded down, goes at each end."""
    values = np.concatenate(sample.values)
    order = np.argsort(values, kind="stable")
    once = np.ones((1, len(values)))
    counts = np.concatenate([once, np.concatenate(sample.counts, axis=1)])[:, order]
    cut = len(values) // 4
    # How many of each score's copies are in the middle.
    ends = np.clip(np.cumsum(counts, axis=1), cut, len(values) - cut)
    kept = np.diff(ends, axis=1, prepend=cut)
    finite = np.isfinite(values[order])
    means = kept @ np.where(finite, values[order], 0.0) / (len(values) - 2 * cut)
    means[kept[:, ~finite].any(axis=1)] = -np.inf
    return _estimate(means[0], means[1:])


def improvement(one: Sample, other: Sample) -> Estimate:
    """P(a random seed of one > a random seed of other), ties half; the mean over settings."""
    value, draws = 0.0, np.zeros(DRAWS)
    for a, b, times_a, times_b in zip(
        one.values, other.values, one.counts, other.counts, strict=True
    ):
        wins = np.greater.outer(a, b) + np.equal.outer(a, b) / 2
        value += wins.mean()
        draws += ((times_a @ wins) * times_b).sum(1) / wins.size
    return _estimate(value / len(one.values), draws / len(one.values))


def profile(sample: Sample, thresholds: Array) -> tuple[Array, Array, Array]:
    """Share of all scores above each threshold, and the low and high ends of its interval."""
    above = np.greater.outer(np.concatenate(sample.values), thresholds).astype(np.float64)
    draws = np.sort(np.concatenate(sample.counts, axis=1) @ above / len(above), axis=0)
    low, high = _ends()
    return above.mean(0), draws[low], draws[high]


def _estimate(value: float, draws: Array) -> Estimate:
    ordered = np.sort(draws)
    low, high = _ends()
    return Estimate(float(value), float(ordered[low]), float(ordered[high]))


def _ends() -> tuple[int, int]:
    """Places of the ends in sorted draws; no interpolation, because some may be infinite."""
    cut = int(ALPHA / 2 * (DRAWS - 1))
    return cut, DRAWS - 1 - cut
