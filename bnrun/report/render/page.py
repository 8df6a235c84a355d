"""The report as one HTML page that needs no other file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from bnrun.recording.escape import visible
from bnrun.report.compare.aggregate import Aggregate
from bnrun.report.compare.overall import clear_pairs, headline_of_all
from bnrun.report.compare.report import Report
from bnrun.report.compare.verdict import Verdict, score_text
from bnrun.report.read.column import Column
from bnrun.report.read.settings import RunTable
from bnrun.report.render.aggregate_columns import (
    aggregate_columns,
    aggregate_title,
    profile_panel,
)
from bnrun.report.render.cards import Bar, bars
from bnrun.report.render.chart import chart
from bnrun.report.render.contest_columns import final_columns, pair_columns, seed_columns
from bnrun.report.render.grids import Grid, settings_grids, ways_grid
from bnrun.report.render.marks import Facets, numbers, run_links
from bnrun.report.render.panel import Panel
from bnrun.report.render.run_columns import RunColumns
from bnrun.report.render.style import Style

_MARKS = {
    "win": "clear",
    "lead": "partly clear",
    "noise": "may be noise",
    "few": "too few seeds",
    "alone": "one contestant",
}


@dataclass(frozen=True)
class Section:
    """One contest on the page; figures are (title, SVG), facets as in Facets.words."""

    verdict: Verdict
    mark: str
    score: str
    facets: str
    bars: list[Bar]
    figures: list[tuple[str, str]]
    ways: Grid


@dataclass(frozen=True)
class Rows:
    """A table; marks are the contestants (c) and the settings (f) that a row belongs to."""

    words: list[str]
    numbers: list[str]
    cells: list[tuple[str, ...]]
    marks: list[dict[str, str]]


def html_page(
    report: Report, figures: Sequence[Sequence[Panel]], style: Style, output: Path, renew: int
) -> str:
    """The page, with the figures of the first len(figures) contests.

    output  the folder that it is for, from which links start
    renew   seconds after which it reloads itself; 0 for never
    """
    environment = Environment(
        loader=PackageLoader("bnrun.report.render", "."),
        autoescape=True,
        # A Markup is a figure or a table that the template has made.
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    table, contests = report.table, report.contests
    studies = dict.fromkeys(str(run.result["config"].get("name", "runs")) for run in table.runs)
    facets = Facets.of(table, contests)
    labels = sorted({c.label for contest in contests for c in contest.contestants})
    return environment.get_template("page.html.jinja").render(
        title=", ".join(studies),
        renew=renew,
        headline=headline_of_all(report.verdicts) if report.verdicts else "Nothing to compare",
        clear=clear_pairs(contests) if len(contests) > 1 else [],
        sections=_sections(report, figures, style, facets),
        drawn=len(figures),
        grids=_grids(report, facets),
        style=style,
        contestants=labels,
        place={label: number for number, label in enumerate(style)},
        facets=facets,
        aggregates=[_aggregate(aggregate, style) for aggregate in report.aggregates],
        rows_of={run.folder: number for number, run in enumerate(table.runs)},
        links=run_links(table, contests[: len(figures)], output),
        diverged=[
            (run.folder.name, seed, step)
            for run in table.runs
            for seed, step in run.result["diverged"].items()
        ],
        notes=report.notes,
        receipts=_receipts(table),
        **_tables(report, style, facets),
    )


def _sections(
    report: Report, figures: Sequence[Sequence[Panel]], style: Style, facets: Facets
) -> list[Section]:
    panels = [*figures, *[()] * (len(report.verdicts) - len(figures))]
    return [
        Section(
            verdict,
            _MARKS[verdict.kind],
            score_text(verdict.contest.yardstick),
            facets.words(verdict.contest.runs[0]),
            bars(verdict.contest, style),
            [(panel.title, chart(panel, style)) for panel in own],
            ways_grid(verdict.contest),
        )
        for verdict, own in zip(report.verdicts, panels, strict=True)
    ]


def _grids(report: Report, facets: Facets) -> list[tuple[str, Grid]]:
    words = {contest.setting: facets.words(contest.runs[0]) for contest in report.contests}
    return [
        (score, replace(grid, facets=[words[setting] for setting in grid.columns]))
        for score, grid in settings_grids(report.contests)
    ]


def _aggregate(aggregate: Aggregate, style: Style) -> dict[str, Any]:
    panel = profile_panel(aggregate)
    marks = [{"c": numbers([member.label], style)} for member in aggregate.members]
    return {
        "title": aggregate_title(aggregate),
        "rows": _rows(*aggregate_columns(aggregate), marks),
        "figure": (panel.title, chart(panel, style)),
    }


def _tables(report: Report, style: Style, facets: Facets) -> dict[str, Any]:
    """The tables of contestants, pairs and runs, and what is the same in all runs."""
    contests, columns = report.contests, RunColumns(report.table)
    words = {id(contest): facets.words(contest.runs[0]) for contest in contests}
    label_of = {
        run.folder: c.label
        for contest in contests
        for c in contest.contestants
        for trial in c.trials
        for run in trial.runs
    }
    finals = [
        {"c": numbers([c.label], style), "f": words[id(contest)]}
        for contest in contests
        for c in contest.contestants
    ]
    pairs = [
        {"c": numbers([pair.better.label, pair.worse.label], style), "f": words[id(contest)]}
        for contest in contests
        for pair in contest.pairs
    ]
    runs = [
        {
            "c": numbers([label_of[run.folder]] if run.folder in label_of else [], style),
            "f": facets.words(run),
        }
        for run in report.table.runs
    ]
    own, scores = final_columns(contests)
    all_scores = [column for block in columns.all_scores.values() for column in block]
    return {
        "final": _rows(own, [*scores, *seed_columns(contests)], finals),
        "pairs": _rows(*pair_columns(contests), pairs),
        "runs": _rows(columns.words, all_scores, runs),
        "cost": _rows(columns.words, columns.cost, runs),
        "caption": columns.caption,
    }


def _rows(words: Sequence[Column], numbers: Sequence[Column], marks: list[dict[str, str]]) -> Rows:
    return Rows(
        [column.title for column in words],
        [column.title for column in numbers],
        list(zip(*(column.cells for column in [*words, *numbers]), strict=True)),
        marks,
    )


def _receipts(table: RunTable) -> list[str]:
    """The code and package versions of the runs; more than one line if they differ."""
    lines = []
    for run in table.runs:
        versions = ", ".join(f"{name} {text}" for name, text in run.result["versions"].items())
        lines.append(f"commit {run.result['commit'] or 'unknown'}; {versions}")
    return list(dict.fromkeys(lines))
