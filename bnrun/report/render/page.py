"""The report as one HTML page that needs no other file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader

from bnrun.recording.escape import visible
from bnrun.recording.intervals import interval_text, mean_interval
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.overall import clear_pairs, headline_of_all
from bnrun.report.compare.report import Report
from bnrun.report.compare.verdict import Verdict, score_text
from bnrun.report.read.column import Column
from bnrun.report.read.settings import RunTable
from bnrun.report.render.contest_columns import pair_columns
from bnrun.report.render.figures import Style, svg
from bnrun.report.render.grids import Grid, settings_grids, ways_grid
from bnrun.report.render.panel import Panel
from bnrun.report.render.run_columns import RunColumns

_MARKS = {
    "win": "clear",
    "lead": "partly clear",
    "noise": "may be noise",
    "few": "too few seeds",
    "alone": "one contestant",
}


@dataclass(frozen=True)
class Bar:
    """A final score on a common scale; low, width and mean in percent of the scale."""

    label: str
    tuned: str
    text: str
    colour: str
    low: float
    width: float
    mean: float
    diverged: str


@dataclass(frozen=True)
class Section:
    """One contest on the page; figures are (title, SVG)."""

    verdict: Verdict
    mark: str
    score: str
    bars: list[Bar]
    figures: list[tuple[str, str]]
    ways: Grid


def html_page(report: Report, figures: Sequence[Sequence[Panel]], style: Style) -> str:
    """The page, with the figures of the first len(figures) contests."""
    environment = Environment(
        loader=PackageLoader("bnrun.report.render", "."),
        autoescape=True,
        # A Markup is a figure or a table that the template has made.
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    panels = [*figures, *[()] * (len(report.verdicts) - len(figures))]
    table, columns = report.table, RunColumns(report.table)
    studies = dict.fromkeys(str(run.result["config"].get("name", "runs")) for run in table.runs)
    return environment.get_template("page.html.jinja").render(
        title=", ".join(studies),
        headline=headline_of_all(report.verdicts) if report.verdicts else "Nothing to compare",
        clear=clear_pairs(report.contests) if len(report.contests) > 1 else [],
        sections=[_section(*pair, style) for pair in zip(report.verdicts, panels, strict=True)],
        drawn=len(figures),
        grids=settings_grids(report.contests),
        style=style,
        pairs=_rows(pair_columns(report.contests)),
        runs=_rows((columns.words, [c for block in columns.all_scores.values() for c in block])),
        cost=_rows((columns.words, columns.cost)),
        diverged=[
            (run.folder.name, seed, step)
            for run in table.runs
            for seed, step in run.result["diverged"].items()
        ],
        caption=columns.caption,
        notes=report.notes,
        receipts=_receipts(table),
    )


def _section(verdict: Verdict, panels: Sequence[Panel], style: Style) -> Section:
    contest = verdict.contest
    return Section(
        verdict,
        _MARKS[verdict.kind],
        score_text(contest.yardstick),
        _bars(contest, style),
        [(panel.title, svg(panel, style)) for panel in panels],
        ways_grid(contest),
    )


def _bars(contest: Contest, style: Style) -> list[Bar]:
    """The lowest and the highest end of an interval are the ends of the scale."""
    intervals = [mean_interval(list(c.values.values())) for c in contest.contestants]
    halves = [float(i.half) if math.isfinite(i.half) else 0.0 for i in intervals]
    means = [float(interval.mean) for interval in intervals]
    edges = [m + s * h for m, h in zip(means, halves, strict=True) for s in (-1, 1)]
    known = [edge for edge in edges if math.isfinite(edge)] or [0.0]
    least, span = min(known), (max(known) - min(known)) or 1.0
    bars = []
    for contestant, mean, half in zip(contest.contestants, means, halves, strict=True):
        finite = math.isfinite(mean)
        bars.append(
            Bar(
                contestant.label,
                contestant.tuned,
                interval_text(list(contestant.values.values()), contest.digits),
                style[contestant.label][0],
                100 * (mean - half - least) / span if finite else 0,
                200 * half / span if finite else 0,
                100 * (mean - least) / span if finite else -100,
                f"{contestant.diverged} of {len(contestant.values)} seeds diverged"
                if contestant.diverged
                else "",
            )
        )
    return bars


def _rows(columns: tuple[Sequence[Column], Sequence[Column]]) -> dict[str, list[list[str]]]:
    words, numbers = columns
    cells = zip(*(column.cells for column in [*words, *numbers]), strict=True)
    return {
        "words": [[column.title for column in words]],
        "numbers": [[column.title for column in numbers]],
        "cells": [list(row) for row in cells],
    }


def _receipts(table: RunTable) -> list[str]:
    """The code and package versions of the runs; more than one line if they differ."""
    lines = []
    for run in table.runs:
        versions = ", ".join(f"{name} {text}" for name, text in run.result["versions"].items())
        lines.append(f"commit {run.result['commit'] or 'unknown'}; {versions}")
    return list(dict.fromkeys(lines))
