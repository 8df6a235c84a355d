"""Limits that a search sets: a run stops where its score is worse than that of most others."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from bnrun.config.settings import Limits
from bnrun.recording.metrics import METRICS, points


class Pruned(Exception):  # noqa: N818  not an error
    """A run was stopped by its limits, after a checkpoint was written."""


def is_beyond(limits: Limits, step: int, scalars: Mapping[str, Sequence[float]]) -> bool:
    """Whether the mean over seeds at a step is worse than its limit; a diverged seed makes it so.

    scalars  tag -> the last value of each seed
    """
    if step not in limits.at or limits.tag not in scalars:
        return False
    values = scalars[limits.tag]
    mean, limit = sum(values) / len(values), limits.at[step]
    return not math.isfinite(mean) or (mean < limit if limits.larger_is_better else mean > limit)


def step_beyond(limits: Limits, folder: Path) -> int | None:
    """The first step in a run's history where it was beyond its limits; None if there is none.

    Raises ValueError if the history is damaged.
    """
    if not (folder / METRICS).is_file():
        return None
    return next((p.step for p in points(folder) if is_beyond(limits, p.step, p.values)), None)
