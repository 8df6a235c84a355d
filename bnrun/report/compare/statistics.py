"""Is a difference between two columns of scores noise? Paired over seeds, tests by scipy.

The unit is a seed: under two estimators it has the same initial weights, batches and uniforms.
Values that are not finite belong to seeds that diverged. They are left out of differences and
tests, and count as worse than any number in the probability of improvement.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALPHA = 0.05
POWER = 0.8

Array = NDArray[np.float64]

# Sign patterns of up to 16 differences are enumerated, of more of them this many are drawn.
_FLIPS = 2**16

# Or so many per pair where that is more: the least p-value, 2 / flips, times the number of pairs
# must be well below 5 %, or in a large report nothing would count as a difference.
_FLIPS_PER_PAIR = 100

# Rows that are tested at once: what is held of them, a number per flip, stays below 100 MB.
_ROWS = 2**7


@dataclass(frozen=True)
class Paired:
    """Scores a - b over the seeds that both have.

    number       of seeds with a finite difference, n
    lost         of seeds left out because a, b or both diverged
    mean         of the differences; NaN for n = 0
    low, high    95 % bootstrap interval of the mean; NaN for n < 2
    deviation    standard deviation of the differences; NaN for n < 2
    improvement  probability that a random seed of a beats a random seed of b, ties half
    p            two-sided, of the hypothesis that a - b is symmetric about 0; 1 for n < 2
    adjusted     p after Holm's correction over all pairs compared together
    """

    number: int
    lost: int
    mean: float
    low: float
    high: float
    deviation: float
    improvement: float
    p: float
    adjusted: float

    @property
    def significant(self) -> bool:
        """Whether the difference is more than noise, all pairs considered."""
        return self.adjusted <= ALPHA


def compare_pairs(pairs: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[Paired]:
    """Compare all pairs (a, b), each two columns over the same seeds, where larger is better.

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
        Paired(
            number=len(d),
            lost=len(a) - len(d),
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

    Exact up to 16 seeds, with ties and zeros as they are; beyond, 65,536 random flips, or 100 for
    each row where that is more. Source: Fisher, The design of experiments (1935), section 21.
    """
    found = [1.0] * len(differences)
    flips = max(_FLIPS, _FLIPS_PER_PAIR * len(differences))
    for rows in _same_length(differences):
        data = np.stack([differences[row] for row in rows])
        for row, value in zip(rows, _sign_flips(data, flips), strict=True):
            found[row] = min(value, 1.0)
    return found


def _sign_flips(data: Array, flips: int) -> list[float]:
    """p-values of data [rows, n]; scipy flips the signs, the same ones for all rows."""
    from scipy.stats import permutation_test

    # 0.9 - 0.8 is to equal 0.8 - 0.7. For scipy sums are equal that differ by 2e-14 of their size:
    # with this added to them, by 2e-9 of the size of the differences.
    added = 1e5 * np.abs(data).sum(1)
    return [
        float(p)
        for start in range(0, len(data), _ROWS)
        for p in permutation_test(
            (np.ones(data.shape[1]),),
            # Sums over the last axis, for all rows in one product.
            lambda signs, axis, at=slice(start, start + _ROWS): signs @ data[at].T + added[at],
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

    With five seeds such an interval is a fifth too narrow or more: no verdict rests on it.
    Source: Efron, Tibshirani, An introduction to the bootstrap (1993), chapter 13.
    """
    from scipy.stats import bootstrap

    found = [(math.nan, math.nan)] * len(differences)
    for rows in _same_length(differences):
        data = np.stack([differences[row] for row in rows])
        told = bootstrap(
            (data,),
            np.mean,
            axis=-1,
            method="percentile",
            n_resamples=9999,
            batch=256,
            rng=np.random.default_rng(0),
        ).confidence_interval
        for row, low, high in zip(rows, told.low.tolist(), told.high.tolist(), strict=True):
            found[row] = (low, high)
    return found


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected so that all true hypotheses together are rejected in 5 % of studies.

    The three lines are here because scipy has none and statsmodels takes three seconds to import.
    Source: Holm, A simple sequentially rejective multiple test procedure (1979).
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values)
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(raised, 1.0)
    return [float(value) for value in corrected]


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """P(a random run of a > a random run of b), ties half; NaN where one has no run at all.

    Source: Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice
    (2021), arXiv 2108.13264.
    """
    ranked = [np.nan_to_num(x, nan=-np.inf, posinf=-np.inf, neginf=-np.inf) for x in (a, b)]
    if min(map(len, ranked)) == 0:
        return math.nan
    # scipy's mannwhitneyu counts the same, in a millisecond a pair.
    return float((np.greater.outer(*ranked) + np.equal.outer(*ranked) / 2).mean())


def power(difference: float, deviation: float, number: int, alpha: float = ALPHA) -> float:
    """Probability that `number` seeds show a true difference, by the paired t test.

    difference  the true mean of the differences
    deviation   their true standard deviation

    Source: Cohen, Statistical power analysis for the behavioral sciences (1988), chapter 2.
    """
    from scipy.special import nctdtr, stdtrit

    if number < 2 or not deviation > 0:
        return math.nan
    free = number - 1
    bound = stdtrit(free, 1 - alpha / 2)
    shift = abs(difference) / deviation * math.sqrt(number)
    # Not a number is scipy's word for a tail that is too small for one.
    wrong_sign = np.nan_to_num(nctdtr(free, shift, -bound))
    return float(1 - nctdtr(free, shift, bound) + wrong_sign)


@cache
def seeds_needed(
    difference: float, deviation: float, pairs: int = 1, most: int = 1000
) -> int | None:
    """Fewest seeds that show a true difference in 80 % of studies; None for more than `most`.

    `pairs` comparisons share the 5 %, as Holm's correction has it for the smallest p.
    """
    from scipy.special import ndtri

    least = fewest_seeds(pairs)
    if not deviation > 0:
        return least if difference else None
    # The normal approximation asks for too few, by one or two.
    quantiles = ndtri(1 - ALPHA / pairs / 2) + ndtri(POWER)
    start = min((quantiles * deviation / abs(difference)) ** 2, most) if difference else most
    numbers = range(max(least, 2, math.floor(start)), most + 1)
    return next(
        (n for n in numbers if power(difference, deviation, n, ALPHA / pairs) >= POWER), None
    )


def fewest_seeds(pairs: int = 1) -> int:
    """Seeds below which no difference is significant, however large: 6 for a single pair.

    All n differences of one sign have the p-value 2 / 2^n.
    """
    return math.ceil(math.log2(2 * pairs / ALPHA))


def _finite(a: Array, b: Array) -> Array:
    both = np.isfinite(a) & np.isfinite(b)
    return a[both] - b[both]


def _same_length(rows: Sequence[Array]) -> list[list[int]]:
    """Indices of the rows with two or more values, by their length."""
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        if len(row) > 1:
            groups.setdefault(len(row), []).append(index)
    return list(groups.values())
