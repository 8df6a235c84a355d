"""Is the difference between two columns of scores noise? Paired over seeds; the tests are scipy's.

The unit is a seed, because the same seed under two estimators has the same initial weights, batches
and uniforms. Values that are not finite belong to seeds that diverged: differences and tests leave
them out, and the probability of improvement counts them as worse than any number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, permutation_test

ALPHA = 0.05

Array = NDArray[np.float64]

# All sign patterns of up to 16 differences are enumerated; for more, this many are drawn.
_FLIPS = 2**16

# Or this many per pair, if that is more: the smallest p-value, 2 / flips, times the number of pairs
# must be well below 5 %, otherwise no difference could be significant in a large report.
_FLIPS_PER_PAIR = 100

# Rows tested at once. One number per flip and row keeps memory below 100 MB.
_ROWS = 2**7


@dataclass(frozen=True)
class Difference:
    """Scores a - b over the seeds that both have.

    number       of seeds with a finite difference, n
    diverged     number of seeds left out because a, b or both diverged
    mean         of the differences; NaN for n = 0
    low, high    95 % bootstrap interval of the mean; NaN for n < 2
    deviation    standard deviation of the differences; NaN for n < 2
    improvement  probability that a random seed of a beats a random seed of b, ties half
    p            two-sided, of the hypothesis that a - b is symmetric about 0; 1 for n < 2
    adjusted     p after Holm's correction over all pairs that are compared together
    """

    number: int
    diverged: int
    mean: float
    low: float
    high: float
    deviation: float
    improvement: float
    p: float
    adjusted: float

    @property
    def significant(self) -> bool:
        """Whether the difference is more than noise after correction for all pairs."""
        return self.adjusted <= ALPHA


def compare_pairs(pairs: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[Difference]:
    """Compare all pairs (a, b) of columns over the same seeds, where larger is better.

    Holm's correction is over all of them. Raises ValueError if two columns differ in length.
    """
    columns = [(np.asarray(a, np.float64), np.asarray(b, np.float64)) for a, b in pairs]
    for a, b in columns:
        if a.shape != b.shape or a.ndim != 1:
            raise ValueError(f"columns of shape {a.shape} and {b.shape}: give one value per seed")
    differences = [_finite(a, b) for a, b in columns]
    p = permutation_p(differences)
    intervals = bootstrap_intervals(differences)
    rows = zip(columns, differences, p, holm(p), intervals, strict=True)
    return [
        Difference(
            number=len(d),
            diverged=len(a) - len(d),
            mean=float(d.mean()) if len(d) else math.nan,
            low=low,
            high=high,
            deviation=float(d.std(ddof=1)) if len(d) > 1 else math.nan,
            improvement=probability_of_improvement(a, b),
            p=raw,
            adjusted=adjusted,
        )
        for (a, b), d, raw, adjusted, (low, high) in rows
    ]


def permutation_p(differences: Sequence[Array]) -> list[float]:
    """Two-sided p-values of the sign-flip test of the mean, one per row of differences [n].

    Exact up to 16 seeds, ties and zeros included; above that 65,536 random flips, or 100 per row
    if that is more. Source: Fisher, The design of experiments (1935), section 21.
    """
    p = [1.0] * len(differences)
    flips = max(_FLIPS, _FLIPS_PER_PAIR * len(differences))
    for rows in _same_length(differences):
        data = np.stack([differences[row] for row in rows])
        for row, value in zip(rows, _sign_flips(data, flips), strict=True):
            p[row] = min(value, 1.0)
    return p


def _sign_flips(data: Array, flips: int) -> list[float]:
    """p-values of data [rows, n]; scipy flips the signs, the same ones for all rows."""
    # 0.9 - 0.8 must count as equal to 0.8 - 0.7. scipy treats sums as equal if they differ by less
    # than 2e-14 of their size; with this offset, by less than 2e-9 of the size of the differences.
    offset = 1e5 * np.abs(data).sum(1)
    return [
        float(p)
        for start in range(0, len(data), _ROWS)
        for p in permutation_test(
            (np.ones(data.shape[1]),),
            # Sums over the last axis, for all rows in one product.
            lambda signs, axis, at=slice(start, start + _ROWS): signs @ data[at].T + offset[at],
            permutation_type="samples",
            vectorized=True,
            n_resamples=flips,
            batch=1024,
            axis=-1,
            rng=np.random.default_rng(0),
        ).pvalue
    ]


def bootstrap_intervals(differences: Sequence[Array]) -> list[tuple[float, float]]:
    """95 % percentile bootstrap intervals of the mean, one per row of differences [n].

    With five seeds these intervals are too narrow by a fifth or more, so no verdict depends on
    them. Source: Efron, Tibshirani, An introduction to the bootstrap (1993), chapter 13.
    """
    intervals = [(math.nan, math.nan)] * len(differences)
    for rows in _same_length(differences):
        data = np.stack([differences[row] for row in rows])
        result = bootstrap(
            (data,),
            np.mean,
            axis=-1,
            method="percentile",
            n_resamples=9999,
            batch=256,
            rng=np.random.default_rng(0),
        ).confidence_interval
        for row, low, high in zip(rows, result.low.tolist(), result.high.tolist(), strict=True):
            intervals[row] = (low, high)
    return intervals


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected so that at most 5 % of studies reject any true hypothesis.

    Written here because scipy has no such function and statsmodels takes three seconds to import.
    Source: Holm, A simple sequentially rejective multiple test procedure (1979).
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values)
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(raised, 1.0)
    return [float(value) for value in corrected]


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """P(a random seed of a > a random seed of b), ties half; NaN if one of them has no seeds.

    Source: Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice
    (2021), arXiv 2108.13264.
    """
    ranked = [np.nan_to_num(x, nan=-np.inf, posinf=-np.inf, neginf=-np.inf) for x in (a, b)]
    if min(map(len, ranked)) == 0:
        return math.nan
    # scipy's mannwhitneyu computes the same number, but takes a millisecond per pair.
    return float((np.greater.outer(*ranked) + np.equal.outer(*ranked) / 2).mean())


def _finite(a: Array, b: Array) -> Array:
    both = np.isfinite(a) & np.isfinite(b)
    return a[both] - b[both]


def _same_length(rows: Sequence[Array]) -> list[list[int]]:
    """Indices of the rows with two or more values, grouped by length."""
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        if len(row) > 1:
            groups.setdefault(len(row), []).append(index)
    return list(groups.values())
