"""Limits that a search sets: a run stops where its score is worse than that of most others."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from bnrun.config.errors import UserError
from bnrun.config.near import meant
from bnrun.config.settings import Limits
from bnrun.recording import tags
from bnrun.recording.metrics import METRICS, points


class Pruned(Exception):  # noqa: N818  not an error
    """A run was stopped by its limits, after a checkpoint was written."""


def check_tag(limits: Limits, folder: Path, scalars: Mapping[str, Sequence[float]]) -> None:
    """Refuse a curve that the run does not have; to be called after each update.

    folder   of the run
    scalars  tag -> the last value of each seed, so far

    Raises UserError at the latest at the first logged update, by which every curve has a point.
    """
    tag = limits.tag
    if tag in scalars or (tags.is_of_updates(tag) and tags.TRAINING_LOSS not in scalars):
        return
    close = meant(tag, scalars)
    raise UserError(
        f"sweep.limits.tag={tag}: this run has no such curve, "
        + (f"did you mean {close}?" if close else f"use one of the tags in {folder / METRICS}")
    )


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
