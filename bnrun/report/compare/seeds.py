"""The seeds behind a mean: the median one and the worst one."""

import math
import statistics
from collections.abc import Mapping
from typing import NamedTuple


class Spread(NamedTuple):
    """Median and worst score over seeds; NaN where that is a seed that diverged."""

    median: float
    worst: float
    worst_seed: int


def spread(values: Mapping[int, float], sign: float) -> Spread:
    """Of seed -> score; a seed that diverged is worse than any number.

    sign  -1 if less of the score is better
    """
    merit = {s: sign * v if math.isfinite(v) else -math.inf for s, v in values.items()}
    worst_seed = min(merit, key=lambda seed: merit[seed])
    ends = (statistics.median(merit.values()), merit[worst_seed])
    median, worst = (sign * end if math.isfinite(end) else math.nan for end in ends)
    return Spread(median, worst, worst_seed)
