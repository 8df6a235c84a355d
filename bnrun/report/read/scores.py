"""Scores of runs as means with intervals over seeds."""

import math
import statistics
from collections.abc import Iterable, Sequence

from rich.table import Table

from bnrun.recording.intervals import mean_interval
from bnrun.recording.result import Result
from bnrun.recording.tags import ScoreName
from bnrun.report.read.layout import Column, rich_table

SPLITS = ("test", "validation")
"""The splits that a reader is shown; scores on training data are in the CSV alone."""

NOTE = "± is half the 95 % t interval of the mean over the seeds whose score is finite."


def score_names(results: Iterable[Result]) -> list[ScoreName]:
    """Every score that one of the results has, in the order in which they are met."""
    return list(
        dict.fromkeys(
            ScoreName(split, score, way)
            for result in results
            for split, scores in result["scores"].items()
            for score, ways in scores.items()
            for way in ways
        )
    )


def shown_scores(names: Sequence[ScoreName]) -> list[ScoreName]:
    """Those on SPLITS, in their order; all where there are none."""
    return [name for split in SPLITS for name in names if name.split == split] or list(names)


def main_scores(results: Sequence[Result]) -> list[ScoreName]:
    """Those of shown_scores that one of the results names as its goal, in all ways."""
    goals = {result["goal"]["score"] for result in results}
    return [name for name in shown_scores(score_names(results)) if name.score in goals]


def decimals(rows: Iterable[Sequence[float]]) -> int:
    """How many decimals show two digits of the median half width, at least 3 where it is below 1.

    4 if nothing has a width.
    """
    intervals = [mean_interval(row) for row in rows if row]
    # Equal values may have a width too, that of their rounding.
    halves = [float(half) for mean, half, _ in intervals if half > 1e-9 * abs(mean)]
    if not halves:
        return 4
    half = statistics.median(halves)
    return max(3 if half < 1 else 0, 1 - math.floor(math.log10(half)))


def interval_text(values: Sequence[float], digits: int) -> str:
    """Mean ± half the 95 % interval of values over seeds, with this many decimals.

    A single value has no interval. "none" says that no value is finite, "" that there is none.
    """
    if not values:
        return ""
    mean, half, number = mean_interval(values)
    if number == 0:
        return "none"
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if number > 1 else "")


def values_of(result: Result, name: ScoreName) -> list[float]:
    """One value per seed; none if the result has no such score."""
    return result["scores"].get(name.split, {}).get(name.score, {}).get(name.way, [])


def scores_table(result: Result) -> Table:
    """One run's scores: a row per way of evaluating, a column per split and score.

    Turned round where there are more than four columns, which would not fit into a terminal.
    """
    names = shown_scores(score_names([result]))
    ways = tuple(dict.fromkeys(name.way for name in names))
    columns = []
    for split, score in dict.fromkeys((name.split, name.score) for name in names):
        digits = decimals(values_of(result, name) for name in names if name.score == score)
        values = [values_of(result, ScoreName(split, score, way)) for way in ways]
        cells = tuple(interval_text(row, digits) for row in values)
        columns.append(Column(f"{split} {score}", cells))
    evaluated = Column("evaluated", tuple(map(way_text, ways)))
    if len(columns) > 4:
        scores = Column("score", tuple(column.title for column in columns))
        rows = zip(*(column.cells for column in columns), strict=True)
        columns = [Column(way, row) for way, row in zip(evaluated.cells, rows, strict=True)]
        evaluated = scores
    table = rich_table([evaluated], columns)
    number = len(result["seeds"])
    table.caption = f"mean ± half the 95 % interval over {number} seeds" if number > 1 else None
    return table


def way_text(way: str) -> str:
    """A way of evaluating as it is written in a table."""
    return way.replace("_", "-")
