"""Curves of many runs as few: for every contestant the mean over all settings and seeds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bnrun.recording.metrics import read_metrics
from bnrun.report.compare.field import Contestant, Field, fields
from bnrun.report.render.table import RunTable

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[np.float64]

_PARTS = 1000
"""Points of an epoch, where epochs have different numbers of updates."""


@dataclass(frozen=True)
class Group:
    """One contestant over several settings.

    name    e.g. estimator=st
    curves  tag -> places [T], whole numbers, and values [T, R]: for each seed the mean over the
            settings, NaN where it diverged in one of them
    text    what it is, as Markdown
    """

    name: str
    curves: dict[str, tuple[list[int], Array]]
    text: str


def grouped(table: RunTable, by: Sequence[str] | None = None) -> list[Group]:
    """The groups of runs that differ in what `by` names, by default in what a report compares.

    All groups are means over the same settings, those that every contestant was run in: else a
    contestant would look good for having been run where it is easy. A seed is the unit: its
    curves are averaged over settings first, so that a band over seeds is that of the mean. Curves
    with points at other places are interpolated. Places are updates, or thousandths of an epoch
    where epochs have different numbers of updates. Tags that a run lacks are left out.

    None if no setting has runs of all contestants, or if every group would be a single run.
    Raises ValueError if `by` names no setting.
    """
    return [group for judged in _by_yardstick(table, by) for group in _groups(judged)]


def _by_yardstick(table: RunTable, by: Sequence[str] | None) -> list[list[Field]]:
    """Fields whose scores have the same meaning, and curves too."""
    judged: dict[object, list[Field]] = {}
    for field in fields(table, by=by):
        judged.setdefault(field.yardstick, []).append(field)
    return list(judged.values())


def _groups(entered: Sequence[Field]) -> Iterator[Group]:
    labels = dict.fromkeys(c.label for field in entered for c in field.contestants)
    shared = [field for field in entered if len(field.contestants) == len(labels)]
    members = {
        label: [c for field in shared for c in field.contestants if c.label == label]
        for label in labels
    }
    if not shared or all(len(m) == 1 and len(m[0].runs) == 1 for m in members.values()):
        return
    frames = {label: [_history(c) for c in found] for label, found in members.items()}
    unit = _unit([frame for found in frames.values() for frame in found])
    for label, found in members.items():
        seeds = sorted(set.intersection(*(set(c.values) for c in found)))
        if seeds:
            curves = {
                tag: ([int(place) for place in places], values)
                for tag, (places, values) in _curves(frames[label], unit, seeds)
            }
            yield Group(_name(entered[0], label), curves, _text(entered, shared, seeds, unit))


def _name(field: Field, label: str) -> str:
    return f"{'+'.join(field.differ)}={label}"


def _history(contestant: Contestant) -> "pl.DataFrame":
    import polars as pl

    frames = [read_metrics(run.folder) for run in contestant.runs]
    # A seed that several runs have is taken from the first, as its score is.
    return pl.concat(frames).unique(["tag", "step", "seed"], keep="first", maintain_order=True)


def _unit(frames: "Sequence[pl.DataFrame]") -> str:
    """The axis on which all runs have come as far after as much training: step or epoch."""
    ends = [frame.select("step", "epoch").max().row(0) for frame in frames]
    rates = [step / epoch if epoch else math.nan for step, epoch in ends]
    return "step" if all(math.isclose(rate, rates[0], rel_tol=1e-6) for rate in rates) else "epoch"


def _curves(
    frames: "Sequence[pl.DataFrame]", unit: str, seeds: Sequence[int]
) -> Iterator[tuple[str, tuple[Array, Array]]]:
    """Tag -> places [T] and values [T, R], for the tags that all frames have."""
    settings = [_by_tag(frame, unit, seeds) for frame in frames]
    for tag in settings[0]:
        if all(tag in setting for setting in settings):
            places, values = _mean([setting[tag] for setting in settings])
            if len(places):
                yield tag, (places, values)


def _by_tag(
    frame: "pl.DataFrame", unit: str, seeds: Sequence[int]
) -> dict[str, tuple[Array, Array]]:
    """Tag -> places [T] and values [T, R]."""
    import polars as pl

    column = pl.col("step") if unit == "step" else (pl.col("epoch") * _PARTS).round().cast(pl.Int64)
    rows = (
        frame.filter(pl.col("seed").is_in(list(seeds)))
        .select("tag", "seed", "value", place=column)
        .unique(["tag", "seed", "place"], keep="last", maintain_order=True)
        .filter(pl.len().over("tag", "place") == len(seeds))
        .sort("tag", "place", "seed")
    )
    found = {}
    for tag, *columns in rows.group_by("tag", maintain_order=True).agg("place", "value").rows():
        places, values = (np.array(column).reshape(-1, len(seeds)) for column in columns)
        found[str(tag)] = places[:, 0].astype(np.float64), values.astype(np.float64)
    return found


def _mean(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Mean of curves, at the places of the coarsest of them that lie within all."""
    first = max(places[0] for places, _ in curves)
    last = min(places[-1] for places, _ in curves)
    grid = min((places for places, _ in curves), key=len)
    grid = grid[(grid >= first) & (grid <= last)]
    return grid, np.mean([_at(grid, *curve) for curve in curves], axis=0)


def _at(grid: Array, places: Array, values: Array) -> Array:
    if np.array_equal(grid, places):
        return values
    return np.stack([np.interp(grid, places, column) for column in values.T], axis=1)


def _text(
    entered: Sequence[Field], shared: Sequence[Field], seeds: Sequence[int], unit: str
) -> str:
    lines = [
        f"Mean over {len(seeds)} seeds and {len(shared)} settings; the band is the 95 % interval "
        f"over the seeds, each a mean over the settings.",
        "Steps are updates."
        if unit == "step"
        else f"Steps are epochs x {_PARTS}, for an epoch has not as many updates in all settings.",
        "Settings: " + "; ".join(field.setting or "the only one" for field in shared),
    ]
    missing = [field.setting for field in entered if field not in shared]
    if missing:
        lines.append(f"Left out, as not all were run there: {'; '.join(missing)}")
    return "\n\n".join(lines)
