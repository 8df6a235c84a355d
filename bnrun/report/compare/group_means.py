"""Curves of many runs as few: the mean of each contestant over all settings and seeds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bnrun.config.count import number_of
from bnrun.recording.escape import markdown
from bnrun.recording.tags import ScoreName
from bnrun.report.compare.field import Contestant, Field, fields
from bnrun.report.read.settings import RunTable

Array = NDArray[np.float64]
Histories = Mapping[Path, pl.DataFrame]
"""Folder of each run -> its history, as `bnrun.recording.history.read_metrics` returns it."""

_PARTS = 1000
"""Steps per epoch where epochs have different numbers of updates."""


@dataclass(frozen=True)
class Group:
    """One contestant over several settings.

    name    e.g. estimator=st
    curves  tag -> steps [T] and values [T, R]: for each seed the mean over the settings, NaN
            where the seed diverged in one of them
    text    a description in Markdown
    goal    the score that the runs are judged by, on validation
    """

    name: str
    curves: dict[str, tuple[list[int], Array]]
    text: str
    goal: ScoreName


def grouped(table: RunTable, histories: Histories, by: Sequence[str] | None = None) -> list[Group]:
    """One group per contestant; the settings in `by` compete, by default those of a report.

    All groups are means over the same settings, those in which every contestant was run: otherwise
    a contestant would look good because it was run where the problem is easy. The unit is a seed:
    its curves are averaged over settings first, so that the band over seeds is that of the mean.
    Curves that have points at different steps are interpolated. Steps are updates, or thousandths
    of an epoch if epochs have different numbers of updates. Tags that a run lacks are left out.

    Empty if no setting has runs of all contestants; also if every group would be a single run,
    unless `by` asks for them, because their names are shorter than those of the runs.

    Raises ValueError if `by` names something other than a setting.
    """
    scores = _by_score(table, by)
    return [
        replace(group, name=f"{same[0].yardstick.score} {group.name}") if len(scores) > 1 else group
        for same in scores
        for group in _groups(same, histories, by is not None)
    ]


def _by_score(table: RunTable, by: Sequence[str] | None) -> list[list[Field]]:
    """Fields by their score, in any way: curves of different tasks must not be averaged."""
    groups: dict[object, list[Field]] = {}
    for field in fields(table, by=by):
        groups.setdefault(field.yardstick._replace(way=""), []).append(field)
    return list(groups.values())


def _groups(same: Sequence[Field], histories: Histories, asked: bool) -> Iterator[Group]:
    labels = dict.fromkeys(c.label for field in same for c in field.contestants)
    shared = [field for field in same if len(field.contestants) == len(labels)]
    members = {
        label: [c for field in shared for c in field.contestants if c.label == label]
        for label in labels
    }
    single = all(len(m) == 1 and len(m[0].runs) == 1 for m in members.values())
    if not shared or (single and not asked):
        return
    frames = {label: [_history(c, histories) for c in group] for label, group in members.items()}
    unit = _unit([frame for group in frames.values() for frame in group])
    for label, group in members.items():
        seeds = sorted(set.intersection(*(set(c.values) for c in group)))
        if seeds:
            curves = {
                tag: ([int(step) for step in steps], values)
                for tag, (steps, values) in _curves(frames[label], unit, seeds)
            }
            goal = same[0].yardstick.name._replace(split="validation")
            yield Group(_name(same[0], label), curves, _text(same, shared, seeds, unit), goal)


def _name(field: Field, label: str) -> str:
    return f"{'+'.join(field.differ)}={label}"


def _history(contestant: Contestant, histories: Histories) -> pl.DataFrame:
    frames = [histories[run.folder] for run in contestant.runs]
    # If several runs have a seed, the first counts, as it does for the score.
    return pl.concat(frames).unique(["tag", "step", "seed"], keep="first", maintain_order=True)


def _unit(frames: Sequence[pl.DataFrame]) -> str:
    """The axis that means the same amount of training in all runs: step or epoch."""
    ends = [frame.select("step", "epoch").max().row(0) for frame in frames]
    rates = [step / epoch if epoch else math.nan for step, epoch in ends]
    return "step" if all(math.isclose(rate, rates[0], rel_tol=1e-6) for rate in rates) else "epoch"


def _curves(
    frames: Sequence[pl.DataFrame], unit: str, seeds: Sequence[int]
) -> Iterator[tuple[str, tuple[Array, Array]]]:
    """Tag -> steps [T] and values [T, R], for the tags that all frames have."""
    settings = [_by_tag(frame, unit, seeds) for frame in frames]
    for tag in settings[0]:
        if all(tag in setting for setting in settings):
            steps, values = _mean([setting[tag] for setting in settings])
            if len(steps):
                yield tag, (steps, values)


def _by_tag(frame: pl.DataFrame, unit: str, seeds: Sequence[int]) -> dict[str, tuple[Array, Array]]:
    """Tag -> steps [T], in the given unit, and values [T, R]."""
    column = pl.col("step") if unit == "step" else (pl.col("epoch") * _PARTS).round().cast(pl.Int64)
    rows = (
        frame.filter(pl.col("seed").is_in(list(seeds)))
        .select("tag", "seed", "value", step=column)
        .unique(["tag", "seed", "step"], keep="last", maintain_order=True)
        .filter(pl.len().over("tag", "step") == len(seeds))
        .sort("tag", "step", "seed")
    )
    curves = {}
    for tag, *columns in rows.group_by("tag", maintain_order=True).agg("step", "value").rows():
        steps, values = (np.array(column).reshape(-1, len(seeds)) for column in columns)
        curves[str(tag)] = steps[:, 0].astype(np.float64), values.astype(np.float64)
    return curves


def _mean(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Mean of curves, at the steps of the coarsest curve that lie within the range of all."""
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    grid = min((steps for steps, _ in curves), key=len)
    grid = grid[(grid >= first) & (grid <= last)]
    return grid, np.mean([_at(grid, *curve) for curve in curves], axis=0)


def _at(grid: Array, steps: Array, values: Array) -> Array:
    if np.array_equal(grid, steps):
        return values
    return np.stack([np.interp(grid, steps, column) for column in values.T], axis=1)


def _text(same: Sequence[Field], shared: Sequence[Field], seeds: Sequence[int], unit: str) -> str:
    numbers = f"{number_of(len(seeds), 'seed')} and {number_of(len(shared), 'setting')}"
    lines = [
        f"Mean over {numbers}; the band is the 95 % interval "
        f"over the seeds, each a mean over the settings.",
        "Steps are updates."
        if unit == "step"
        else f"Steps are epochs x {_PARTS}, because epochs have different numbers of updates.",
        "Settings: " + "; ".join(markdown(field.setting) or "the only one" for field in shared),
    ]
    missing = [markdown(field.setting) for field in same if field not in shared]
    if missing:
        lines.append(f"Left out, because not all were run there: {'; '.join(missing)}")
    return "\n\n".join(lines)
