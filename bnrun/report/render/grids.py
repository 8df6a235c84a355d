"""Coloured tables of the page: contestants against settings, and against ways of evaluating."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bnrun.recording.intervals import decimals, interval_text, mean_interval
from bnrun.recording.tags import ScoreName
from bnrun.report.compare.contest import Contest, by_yardstick
from bnrun.report.compare.verdict import score_text
from bnrun.report.read.scores import values_of, way_text
from bnrun.report.read.settings import ABSENT


@dataclass(frozen=True)
class Cell:
    """A number in a coloured table.

    share  0 for the worst of the table, 1 for the best, None without a number
    """

    text: str
    share: float | None


@dataclass(frozen=True)
class Grid:
    """A coloured table; rows are label -> cells.

    facets  what the page's script hides a column by, as in Facets.words; none if there is nothing
    """

    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    facets: list[str] = field(default_factory=list)


def ways_grid(contest: Contest) -> Grid:
    """Contestants against ways of evaluating."""
    split, score, _, larger = contest.yardstick
    ways = dict.fromkeys(
        way
        for c in contest.contestants
        for way in c.runs[0].result["scores"].get(split, {}).get(score, {})
    )
    names = [ScoreName(split, score, way) for way in ways]
    rows = [
        (c.label, [[v for run in c.runs for v in values_of(run.result, name)] for name in names])
        for c in contest.contestants
    ]
    return _grid([way_text(way) for way in ways], rows, larger)


def settings_grids(contests: Sequence[Contest]) -> list[tuple[str, Grid]]:
    """Contestants against settings, one grid for each score that has several settings."""
    return [
        (score_text(measure), _settings_grid(same))
        for measure, same in by_yardstick(contests).items()
        if len(same) > 1
    ]


def _settings_grid(contests: Sequence[Contest]) -> Grid:
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
