"""Is the difference between two columns of scores noise? Paired over seeds, all pairs together.

The unit is a seed, because the same seed under two estimators has the same initial weights, batches
and uniforms. Values that are not finite belong to seeds that diverged: differences and tests leave
them out, and the probability of improvement counts them as worse than any number.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALPHA = 0.05

Array = NDArray[np.float64]
Scores = Mapping[int, float]
"""Seed -> score, larger is better; not finite if the seed diverged."""

# All sign patterns of up to 16 seeds are enumerated; for more, this many are drawn.
_FLIPS = 2**16

# Multiplications above which OpenBLAS starts threads, which on a busy machine cost ten times more
# than they save.
_SINGLE = 2**18

# 0.9 - 0.8 must count as equal to 0.8 - 0.7.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Difference:
    """Scores a - b over the seeds that both have.

    number       of seeds with a finite difference, n
    diverged     number of seeds left out because a, b or both diverged
    mean         of the differences; NaN for n = 0
    low, high    95 % interval of the mean, simultaneous over all pairs; NaN for n < 2
    deviation    standard deviation of the differences; NaN for n < 2
    improvement  probability that a random seed of a beats a random seed of b, ties half
    p            of this pair alone, two-sided; 1 for n < 2
    adjusted     p over all pairs that are compared together
    survivors    whether a or b is ahead only over the seeds that did not diverge, of which it has
                 fewer than the other: it does not win, and low, high, p and adjusted are NaN
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
    survivors: bool = False

    @property
    def significant(self) -> bool:
        """Whether the difference is more than noise, which is whether 0 is outside low .. high."""
        return self.adjusted <= ALPHA

    @property
    def reversed(self) -> "Difference":
        """Scores b - a."""
        return replace(
            self, mean=-self.mean, low=-self.high, high=-self.low, improvement=1 - self.improvement
        )


def compare_pairs(pairs: Sequence[tuple[Scores, Scores]]) -> list[Difference]:
    """Compare all pairs (a, b) on their shared seeds by joint sign flips of the largest |t|.

    Under the hypothesis, the differences of each seed are symmetric about 0: changing the signs of
    one seed's differences in all pairs at once gives an equally likely outcome. Every sign pattern
    gives one t per pair and one largest |t|. c is the 95 % quantile of the largest |t|, an interval
    is mean ± c standard errors, and a difference counts if its interval excludes 0, which is if at
    most 5 % of patterns have a largest |t| as large as its own. The probability that any pair
    without a true difference counts is at most 5 %, whatever else differs. Adjusted p-values of the
    pairs that count are those of the step-down procedure; those of the others are over all pairs.

    Exact up to 16 seeds, ties included; 65,536 random patterns above. Source: Westfall, Young,
    Resampling-based multiple testing (1993), section 2.6.
    """
    data = differences(pairs)
    tests = max_t(data)
    return [_described(a, b, data[:, n], tests, n) for n, (a, b) in enumerate(pairs)]


def differences(pairs: Sequence[tuple[Scores, Scores]]) -> Array:
    """a - b, [seeds, pairs]; NaN where a pair lacks a seed or one of the two diverged."""
    seeds = sorted({seed for a, b in pairs for seed in a.keys() & b.keys()})
    return np.array(
        [
            [_difference(a.get(seed, math.nan), b.get(seed, math.nan)) for a, b in pairs]
            for seed in seeds
        ]
    ).reshape(len(seeds), len(pairs))


@dataclass(frozen=True)
class JointTest:
    """Results of max_t, one entry per pair.

    half      half the width of the simultaneous interval; NaN for fewer than two seeds
    alone     p-value of each pair by itself
    adjusted  p-value over all pairs
    """

    half: Array
    alone: Array
    adjusted: Array


def max_t(data: Array) -> JointTest:
    """The test of compare_pairs, of differences [seeds, pairs] with NaN where a pair has none."""
    number = np.isfinite(data).sum(0)
    known = np.flatnonzero(number > 1)
    nothing = np.ones(data.shape[1])
    half, alone, adjusted = nothing * math.nan, nothing.copy(), nothing.copy()
    if not len(known):
        return JointTest(half, alone, adjusted)
    kept = np.isfinite(data[:, known]).any(1)
    table, number = data[kept][:, known], number[known]
    filled = np.where(np.isfinite(table), table, 0.0)
    size = np.abs(filled).max(0)  # So that squares cannot overflow.
    filled = np.divide(filled, size, out=np.zeros_like(filled), where=size > 0)
    unit = shares(filled, number)
    observed = squared_t((1 - _ROUNDING) * np.abs(unit.sum(0)), number)
    order = np.argsort(observed, kind="stable")
    counts = np.zeros((2, len(known)))
    signs, largest = _sign_patterns(len(unit)), []
    for sums in flipped(signs, unit[:, order]):
        t = squared_t(np.abs(sums), number[order])
        counts[0] += (t >= observed[order]).sum(0)
        # Over the pairs up to each one in the order of |t|: what step-down compares it with.
        np.maximum.accumulate(t, axis=1, out=t)
        counts[1] += (t >= observed[order]).sum(0)
        largest.append(t[:, -1].copy())
    together = np.sort(np.concatenate(largest))[::-1]
    bound = together[int(ALPHA * len(signs))]
    significant = observed > bound
    own, down = np.empty_like(observed), np.empty_like(observed)
    own[order], down[order] = counts / len(signs)
    down[order] = np.maximum.accumulate(down[order][::-1])[::-1]
    over_all = np.searchsorted(-together, -observed, side="right") / len(signs)
    alone[known] = own
    adjusted[known] = np.where(significant, down, over_all)
    # Without any difference, an infinite bound leaves no width either.
    width = _half(filled, number, bound, significant)
    half[known] = np.multiply(size, width, out=np.zeros_like(size), where=size > 0)
    return JointTest(half, alone, adjusted)


def _half(filled: Array, number: Array, bound: float, significant: NDArray[np.bool_]) -> Array:
    mean = filled.sum(0) / number
    squares = np.maximum((filled**2).sum(0) - number * mean**2, 0.0)
    error = np.sqrt(squares / (number - 1) / number)
    with np.errstate(invalid="ignore"):
        half = np.where(np.isinf(bound), np.inf, np.sqrt(bound) * error)
    # Rounding must not put 0 on the other side of the interval's end than the test does.
    inside, outside = np.abs(mean) * (1 + _ROUNDING), np.abs(mean) * (1 - _ROUNDING)
    return np.where(significant, np.minimum(half, outside), np.maximum(half, inside))


def flipped(signs: NDArray[Any], unit: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """signs [patterns, seeds] @ unit [seeds, pairs], in blocks of patterns."""
    rows = max(1, _SINGLE // unit.size)
    for start in range(0, len(signs), rows):
        yield signs[start : start + rows] @ unit


def shares(filled: Array, number: Array) -> Array:
    """Differences scaled so that the largest possible sum, over all signs, is 1; 0 for none."""
    scale = np.sqrt(number * (filled**2).sum(-2))[..., None, :]
    return np.divide(filled, scale, out=np.zeros_like(filled), where=scale > 0)


def squared_t(share: Array, number: Array) -> Array:
    """t^2 from |sum| / sqrt(n sum of squares), which is 1 if all differences are equal."""
    square = share**2
    rest = 1 - square
    with np.errstate(divide="ignore"):
        # Equal up to rounding: what is left of the variance is noise.
        return np.where(rest > 3 * _ROUNDING, (number - 1) * square / rest, np.inf)


@cache
def _sign_patterns(seeds: int) -> Array:
    """Rows of ±1. Only half of all patterns, because |t| of the other half is the same.

    The first row is the pattern that changes nothing.
    """
    if seeds <= 16:
        bits = np.arange(2 ** (seeds - 1))[:, None] >> np.arange(seeds) & 1
        return np.where(bits, -1.0, 1.0)
    signs: Array = np.random.default_rng(0).choice([-1.0, 1.0], (_FLIPS, seeds))
    signs[0] = 1.0
    return signs


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


def _described(a: Scores, b: Scores, column: Array, tests: JointTest, index: int) -> Difference:
    shared = sorted(a.keys() & b.keys())
    d = column[np.isfinite(column)]
    mean = float(d.mean()) if len(d) else math.nan
    survivors = (
        _diverged_more(a, b, shared) if mean > 0 else mean < 0 and _diverged_more(b, a, shared)
    )
    half, alone, adjusted = (
        math.nan if survivors else float(x[index])
        for x in (tests.half, tests.alone, tests.adjusted)
    )
    with np.errstate(over="ignore"):
        deviation = float(d.std(ddof=1)) if len(d) > 1 else math.nan
    return Difference(
        number=len(d),
        diverged=len(shared) - len(d),
        mean=mean,
        low=mean - half,
        high=mean + half,
        deviation=deviation,
        improvement=probability_of_improvement([a[s] for s in shared], [b[s] for s in shared]),
        p=alone,
        adjusted=adjusted,
        survivors=survivors,
    )


def _difference(a: float, b: float) -> float:
    return a - b if math.isfinite(a) and math.isfinite(b) else math.nan


def _diverged_more(a: Scores, b: Scores, shared: Sequence[int]) -> bool:
    """Whether a larger share of a's seeds diverged than of b's: of those they share, or of all."""
    return any(_share_diverged(a, x) > _share_diverged(b, y) for x, y in ((shared, shared), (a, b)))


def _share_diverged(scores: Scores, seeds: Iterable[int]) -> float:
    finite = [math.isfinite(scores[seed]) for seed in seeds]
    return 1 - sum(finite) / len(finite) if finite else 0.0
