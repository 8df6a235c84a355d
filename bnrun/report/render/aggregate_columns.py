"""Contestants over all settings of a score: a table, and a panel of performance profiles."""

import math

from bnrun.recording.intervals import places
from bnrun.report.compare.aggregate import Aggregate
from bnrun.report.compare.bootstrap import Estimate
from bnrun.report.compare.verdict import listed
from bnrun.report.read.column import Column
from bnrun.report.render.panel import Line, Panel


def aggregate_title(aggregate: Aggregate) -> str:
    """E.g. Test accuracy sampled over 4 settings (accuracy as it is)."""
    score, number = aggregate.score, len(aggregate.settings)
    title = f"{score[0].upper()}{score[1:]} over {number} settings ({aggregate.scale})"
    if aggregate.left_out:
        return f"{title}, without {listed(aggregate.left_out)}: not in all of them"
    return title


def aggregate_columns(aggregate: Aggregate) -> tuple[list[Column], list[Column]]:
    """Words and numbers of a table with a row per contestant, best first."""
    members = aggregate.members
    halves = [(m.iqm.high - m.iqm.low) / 2 for m in members]
    digits = places([half for half in halves if 0 < half < math.inf])
    words = [Column("contestant", tuple(m.label for m in members))]
    numbers = [
        Column("interquartile mean", tuple(_text(m.iqm, digits) for m in members)),
        Column(
            f"P({members[0].label} better)",
            tuple("" if m.behind is None else _text(m.behind, 2) for m in members),
        ),
    ]
    return words, numbers


def profile_panel(aggregate: Aggregate) -> Panel:
    """Share of seeds above each score: higher is better everywhere."""
    lines = [Line(m.label, aggregate.thresholds, *m.profile) for m in aggregate.members]
    title = f"Performance profile: share of seeds above each {aggregate.score}"
    return Panel(title, aggregate.score, "share of seeds", lines)


def _text(estimate: Estimate, digits: int) -> str:
    value, low, high = (f"{x:.{digits}f}".replace("-inf", "diverged") for x in estimate)
    return f"{value} [{low}, {high}]"
