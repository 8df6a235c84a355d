"""The report as one HTML page that needs nothing but itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnrun.recording.intervals import mean_interval
from bnrun.recording.tags import ScoreName
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.overall import clear_pairs, summary
from bnrun.report.compare.verdict import Verdict, pair_columns, score_text
from bnrun.report.compare.yardstick import Yardstick
from bnrun.report.read.comparison import ABSENT
from bnrun.report.read.layout import Column
from bnrun.report.read.scores import decimals, interval_text, values_of, way_text
from bnrun.report.render.curves import Panel
from bnrun.report.render.figures import styles, svg
from bnrun.report.render.table import RunTable

_MARKS = {
    "win": "clear",
    "lead": "partly clear",
    "noise": "may be noise",
    "few": "too few seeds",
    "alone": "one contestant",
}


@dataclass(frozen=True)
class Bar:
    """A final score on a common scale; places in percent of the width."""

    label: str
    tuned: str
    text: str
    colour: str
    low: float
    width: float
    mean: float
    diverged: str


@dataclass(frozen=True)
class Cell:
    """A number in a coloured table; share 0 is the worst of its table, 1 the best."""

    text: str
    share: float | None


@dataclass(frozen=True)
class Grid:
    """A coloured table."""

    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class Section:
    """One contest on the page."""

    verdict: Verdict
    mark: str
    score: str
    bars: list[Bar]
    figures: list[tuple[str, str]] | None
    matrix: Grid


def page(
    table: RunTable,
    verdicts: Sequence[Verdict],
    figures: Sequence[Sequence[Panel] | None],
    notes: Sequence[str],
) -> str:
    """The page; `figures` holds the panels of each verdict's contest, None to leave them out."""
    from jinja2 import Environment, PackageLoader

    style = styles(_labels(verdicts, figures))
    environment = Environment(
        loader=PackageLoader("bnrun.report.render", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    contests = [verdict.contest for verdict in verdicts]
    sections = [
        _section(verdict, panels, style) for verdict, panels in zip(verdicts, figures, strict=True)
    ]
    names = dict.fromkeys(str(run.result["config"].get("name", "runs")) for run in table.runs)
    return environment.get_template("page.html.jinja").render(
        title=", ".join(names),
        summary=summary(verdicts) if verdicts else "Nothing to compare",
        clear=clear_pairs(contests) if len(contests) > 1 else [],
        sections=sections,
        heats=_heats(contests),
        style=style,
        pairs=_rows(pair_columns(contests)),
        runs=_rows((table.words, [c for block in table.all_scores.values() for c in block])),
        cost=_rows((table.words, table.cost)),
        diverged=[
            (run.folder.name, seed, step)
            for run in table.runs
            for seed, step in run.result["diverged"].items()
        ],
        caption=table.caption,
        notes=notes,
        receipts=_receipts(table),
    )


def _labels(verdicts: Sequence[Verdict], figures: Sequence[Sequence[Panel] | None]) -> list[str]:
    names = [c.label for verdict in verdicts for c in verdict.contest.contestants]
    lines = [line.label for panels in figures for panel in panels or () for line in panel.lines]
    return list(dict.fromkeys([*sorted(set(names)), *lines]))


def _section(
    verdict: Verdict, panels: Sequence[Panel] | None, style: Mapping[str, tuple[str, str]]
) -> Section:
    return Section(
        verdict,
        _MARKS[verdict.kind],
        f"{score_text(verdict.contest.yardstick)}, {_ways(verdict.contest)}",
        _bars(verdict.contest, style),
        None if panels is None else [(panel.title, svg(panel, style)) for panel in panels],
        _matrix(verdict.contest),
    )


def _ways(contest: Contest) -> str:
    return " or ".join(map(way_text, contest.ways))


def _bars(contest: Contest, style: Mapping[str, tuple[str, str]]) -> list[Bar]:
    field = contest.contestants
    intervals = [mean_interval(list(c.values.values())) for c in field]
    halves = [float(i.half) if math.isfinite(i.half) else 0.0 for i in intervals]
    means = [float(interval.mean) for interval in intervals]
    edges = [m + s * h for m, h in zip(means, halves, strict=True) for s in (-1, 1)]
    known = [edge for edge in edges if math.isfinite(edge)] or [0.0]
    least, span = min(known), (max(known) - min(known)) or 1.0
    digits = decimals(c.finite for c in field)
    bars = []
    for contestant, mean, half in zip(field, means, halves, strict=True):
        finite = math.isfinite(mean)
        bars.append(
            Bar(
                contestant.label,
                contestant.tuned,
                interval_text(list(contestant.values.values()), digits),
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


def _matrix(contest: Contest) -> Grid:
    """Contestants by ways of evaluating."""
    split, score, _, larger = contest.yardstick
    ways = dict.fromkeys(
        way
        for c in contest.contestants
        for way in c.runs[0].result["scores"].get(split, {}).get(score, {})
    )
    rows = [
        (
            c.label,
            [
                [v for run in c.runs for v in values_of(run.result, ScoreName(split, score, way))]
                for way in ways
            ],
        )
        for c in contest.contestants
    ]
    return _grid([way_text(way) for way in ways], rows, larger)


def _heats(contests: Sequence[Contest]) -> list[tuple[str, Grid]]:
    """Contestants by settings, for each score by which there are several settings."""
    judged: dict[Yardstick, list[Contest]] = {}
    for contest in contests:
        judged.setdefault(contest.yardstick, []).append(contest)
    return [(score_text(y), _heat(held)) for y, held in judged.items() if len(held) > 1]


def _heat(contests: Sequence[Contest]) -> Grid:
    labels = dict.fromkeys(c.label for contest in contests for c in contest.contestants)
    values = {
        (contest.setting, c.label): list(c.values.values())
        for contest in contests
        for c in contest.contestants
    }
    rows = [
        (label, [values.get((contest.setting, label), []) for contest in contests])
        for label in labels
    ]
    larger = contests[0].yardstick.larger
    return _grid([contest.setting for contest in contests], rows, larger)


def _grid(columns: list[str], rows: list[tuple[str, list[list[float]]]], larger: bool) -> Grid:
    digits = decimals(values for _, row in rows for values in row)
    means = [float(mean_interval(v).mean) if v else math.nan for _, row in rows for v in row]
    known = [mean for mean in means if math.isfinite(mean)]
    least, span = (min(known), max(known) - min(known)) if known else (0.0, 0.0)

    def cell(values: list[float]) -> Cell:
        mean = float(mean_interval(values).mean) if values else math.nan
        share = (mean - least) / span if math.isfinite(mean) and span > 0 else None
        if share is not None and not larger:
            share = 1 - share
        return Cell(interval_text(values, digits) or ABSENT, share)

    return Grid(columns, [(label, [cell(values) for values in row]) for label, row in rows])


def _rows(columns: tuple[Sequence[Column], Sequence[Column]]) -> dict[str, list[list[str]]]:
    words, numbers = columns
    every = [*words, *numbers]
    return {
        "words": [[column.title for column in words]],
        "numbers": [[column.title for column in numbers]],
        "cells": [list(row) for row in zip(*(column.cells for column in every), strict=True)],
    }


def _receipts(table: RunTable) -> list[str]:
    """Which code and versions the runs come from; more than one line if they differ."""
    lines = []
    for run in table.runs:
        versions = ", ".join(f"{name} {text}" for name, text in run.result["versions"].items())
        lines.append(f"commit {run.result['commit'] or 'unknown'}; {versions}")
    return list(dict.fromkeys(lines))
