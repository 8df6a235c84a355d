"""The ranges of a search: Hydra's words as Optuna's distributions, and values as words again."""

from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Sweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from bnrun.config.errors import UserError

_DIGITS = 4
"""Of a number that is tried, so that a run's name stays short."""


def distribution(override: Override) -> BaseDistribution:
    """What `key=interval(...)`, `key=range(...)` or `key=choice(...)` stands for.

    tag(log, interval(...)) is uniform in the logarithm; int(interval(...)) has whole numbers.

    Raises UserError for a range that is empty, that has no logarithm, or that has another tag.
    """
    sweep = override.value()
    assert isinstance(sweep, Sweep)
    if sweep.tags - ({"log"} if isinstance(sweep, IntervalSweep) else set()):
        raise UserError(
            f"{override.input_line}: the only tag of a search is log, of an interval: use "
            f"tag(log,interval(...)), tag(log,int(interval(...))) for whole numbers, or no tag"
        )
    try:
        if isinstance(sweep, IntervalSweep):
            return _of_interval(sweep)
        if isinstance(sweep, RangeSweep):
            values = list(sweep.range())
            if isinstance(values[0], int) and isinstance(sweep.step, int):
                return IntDistribution(values[0], values[-1], step=sweep.step)
        # Optuna compares nothing but the words.
        return CategoricalDistribution([str(word) for word in override.sweep_string_iterator()])
    except (ValueError, IndexError) as error:
        raise UserError(
            f"{override.input_line}: is not a range to search: the start must be below the end, "
            f"and above 0 with tag(log, ...)"
        ) from error


def _of_interval(sweep: IntervalSweep) -> BaseDistribution:
    log = "log" in sweep.tags
    start, end = sweep.start, sweep.end
    if start is None or end is None or start >= end:
        raise ValueError
    if isinstance(start, int) and isinstance(end, int):
        return IntDistribution(start, end, log=log)
    return FloatDistribution(float(start), float(end), log=log)


def word(key: str, value: Any, distribution: BaseDistribution) -> str:
    """A word of a command line for a value; a float is rounded to 4 digits, inside its range."""
    if isinstance(distribution, FloatDistribution):
        rounded = float(f"{value:.{_DIGITS}g}")
        value = min(max(rounded, distribution.low), distribution.high)
    return f"{key}={value}"
