"""How many seeds does it take to show a difference?"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from bnrun.report.compare.statistics import ALPHA, Array, flipped, shares, squared_t

POWER = 0.8
"""Share of studies that should show a true difference."""

FEWEST = 6
"""Seeds below which no difference counts, however large: all signs are equal in 2 of 2^n cases."""

_MOST = 1000
"""More seeds than anyone trains."""

# Numbers of seeds that are simulated. Beyond, the needed number goes with 1 / effect^2.
_NUMBERS = (6, 7, 8, 10, 12, 15, 19, 24, 30, 40, 55)

_PATTERNS = 256
_SIMULATED = 3_000_000
"""Values of t per number of seeds, which takes about 0.02 s."""


class Range(NamedTuple):
    """Fewest and most seeds that a difference may need; None for more than 1000."""

    low: int | None
    high: int | None

    @property
    def text(self) -> str:
        """E.g. 12 to 40."""
        if self.low is None:
            return f"> {_MOST}"
        if self.low == self.high:
            return str(self.low)
        return f"{self.low} to {f'> {_MOST}' if self.high is None else self.high}"


def seeds_needed(data: Array) -> list[Range | None]:
    """Seeds that show a true difference in 80 % of studies, for each pair of data [seeds, pairs].

    Studies are simulated, with the test that the report uses, over all pairs: their differences are
    normal and have the correlations of those observed. The effect, mean / deviation, is estimated
    from few seeds, so the answer is a range: for the ends of the 80 % interval of the effect.
    None for a pair with fewer than two finite differences, or with no difference at all.
    """
    number = np.isfinite(data).sum(0)
    known = np.flatnonzero(number > 1)
    needed: list[Range | None] = [None] * data.shape[1]
    if not len(known):
        return needed
    table, number = data[:, known], number[known]
    mean, deviation = np.nanmean(table, 0), np.nanstd(table, 0, ddof=1)
    equal = deviation <= 1e-9 * np.abs(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(equal, 1e3 * (mean != 0), np.minimum(np.abs(mean / deviation), 1e3))
        noise = np.where(equal | ~np.isfinite(table), 0.0, (table - mean) / deviation)
    error = np.where(equal, 0.0, ndtri(0.9) * np.sqrt(1 / number + effect**2 / (2 * number)))
    # Of many seeds, what counts is the covariance of the pairs.
    _, factor = np.linalg.qr(noise / np.sqrt(number - 1))
    ends = [_numbers(e, factor) for e in (effect + error, np.maximum(effect - error, 0.0))]
    for pair, low, high, some in zip(known, *ends, effect, strict=True):
        needed[pair] = Range(low, high) if some else None
    return needed


def _numbers(effect: Array, noise: Array) -> list[int | None]:
    """Seeds needed if these were the true effects; noise [pilots, pairs] gives correlations."""
    power = np.zeros((len(_NUMBERS), len(effect)))
    for row, number in enumerate(_NUMBERS):
        power[row], bound = _power(effect, noise, number)
    power = np.maximum.accumulate(power, axis=0)
    with np.errstate(divide="ignore", over="ignore"):
        beyond = ((math.sqrt(bound) + ndtri(POWER)) / effect) ** 2
    return [_first(*column) for column in zip(power.T, beyond, strict=True)]


def _power(effect: Array, noise: Array, number: int) -> tuple[Array, float]:
    """Share of simulated studies in which each pair counts, and the mean bound of t^2."""
    rng = np.random.default_rng(number)
    signs = _signs(number, rng).astype(np.float32)
    size = np.full(len(effect), number)
    studies = max(16, min(400, _SIMULATED // (len(signs) * len(effect))))
    counts, bounds = np.zeros(len(effect)), []
    for _ in range(studies):
        study = effect + rng.normal(size=(number, len(noise))) @ noise
        # All pairs have the same number of seeds, so that the largest share has the largest |t|.
        unit = shares(study, size).astype(np.float32)
        largest = np.concatenate([np.abs(sums).max(1) for sums in flipped(signs, unit)])
        bounds.append(np.sort(largest)[::-1][int(ALPHA * len(signs))])
        counts += np.abs(unit.sum(0)) > bounds[-1] + 1e-6
    return counts / studies, float(np.mean(squared_t(np.array(bounds), np.array(number))))


def _signs(number: int, rng: np.random.Generator) -> Array:
    """Rows of ±1, the first of which changes nothing: all patterns, or as many as needed."""
    if 2 ** (number - 1) <= _PATTERNS:
        bits = np.arange(2 ** (number - 1))[:, None] >> np.arange(number) & 1
        return np.where(bits, -1.0, 1.0)
    signs = rng.choice([-1.0, 1.0], (_PATTERNS, number))
    signs[0] = 1.0
    return signs


def _first(power: Array, beyond: float) -> int | None:
    """The first number with enough power, between those simulated or beyond them."""
    enough = np.flatnonzero(power >= POWER)
    if len(enough) == 0:
        number = max(beyond, _NUMBERS[-1] + 1)
        return math.ceil(number) if number <= _MOST else None
    at = enough[0]
    if at == 0:
        return _NUMBERS[0]
    return math.ceil(np.interp(POWER, power[at - 1 : at + 1], _NUMBERS[at - 1 : at + 1]))
