"""How many seeds does it take to show a difference?"""

import math
from functools import cache

import numpy as np
from scipy.special import nctdtr, ndtri, stdtrit

from bnrun.report.compare.statistics import ALPHA

POWER = 0.8
"""Share of studies that should show a true difference."""


def power(difference: float, deviation: float, number: int, alpha: float = ALPHA) -> float:
    """Probability that `number` seeds show a true difference, by the paired t test.

    difference  the true mean of the differences
    deviation   their true standard deviation

    Source: Cohen, Statistical power analysis for the behavioral sciences (1988), chapter 2.
    """
    if number < 2 or not deviation > 0:
        return math.nan
    freedom = number - 1
    bound = stdtrit(freedom, 1 - alpha / 2)
    shift = abs(difference) / deviation * math.sqrt(number)
    # scipy returns NaN for a tail that is too small to represent.
    wrong_sign = np.nan_to_num(nctdtr(freedom, shift, -bound))
    return float(1 - nctdtr(freedom, shift, bound) + wrong_sign)


@cache
def seeds_needed(
    difference: float, deviation: float, pairs: int = 1, most: int = 1000
) -> int | None:
    """Fewest seeds that show a true difference in 80 % of studies; None if more than `most`.

    `pairs` comparisons share the 5 %, as Holm's correction divides it for the smallest p.
    """
    fewest = fewest_seeds(pairs)
    if not deviation > 0:
        return fewest if difference else None
    # The normal approximation is one or two seeds too low.
    quantiles = ndtri(1 - ALPHA / pairs / 2) + ndtri(POWER)
    start = min((quantiles * deviation / abs(difference)) ** 2, most) if difference else most
    numbers = range(max(fewest, 2, math.floor(start)), most + 1)
    return next(
        (n for n in numbers if power(difference, deviation, n, ALPHA / pairs) >= POWER), None
    )


def fewest_seeds(pairs: int = 1) -> int:
    """Seeds below which no difference is significant, however large: 6 for a single pair.

    n differences of the same sign have the p-value 2 / 2^n.
    """
    return math.ceil(math.log2(2 * pairs / ALPHA))
