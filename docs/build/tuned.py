"""Rows of raw results at the settings that are best on validation, and differences there.

The choice is that of the report: fewest diverged seeds, then the best mean. Differences have the
simultaneous intervals of the report, over all pairs and places of a table.
"""

import math
from collections.abc import Mapping, Sequence

from raw_results import FACTS
from results_recipe import Tuning

from bnrun.recording.intervals import mean_interval
from bnrun.report.compare.statistics import Difference, Scores, compare_pairs

Row = dict[str, str]


def settings_of(row: Row) -> dict[str, str]:
    """The settings of the run that a row belongs to: the columns before FACTS."""
    columns = list(row)
    return {column: row[column] for column in columns[: columns.index(FACTS[0])]}


def scores_of(rows: Sequence[Row], score: str) -> Scores:
    """Seed -> score, NaN if the seed diverged."""
    lost = [math.nan if row["diverged"] else float(row[score] or "nan") for row in rows]
    return {int(row["seed"]): value for row, value in zip(rows, lost, strict=True)}


def by_way(rows: Sequence[Row], ways: Mapping[str, str]) -> list[Row]:
    """Each row once for each score/way, with the way as setting `way` and its value as `chosen`.

    ways  score/way -> what the way is called
    """
    return [
        {"way": name, **row, "chosen": row.get(column, "")}
        for row in rows
        for column, name in ways.items()
    ]


def tuned(rows: Sequence[Row], tuning: Tuning) -> list[Row]:
    """Rows whose values of the settings `over` are best on validation, for each other setting.

    Of equal values, the first in the file is kept.
    """
    rows = by_way(rows, tuning.ways) if tuning.ways else rows
    over = [tuning.over] if isinstance(tuning.over, str) else tuning.over
    trials: dict[tuple[str, ...], dict[tuple[str, ...], list[Row]]] = {}
    for row in rows:
        if row["split"] == "validation":
            trials.setdefault(_others(row, over), {}).setdefault(_those(row, over), []).append(row)

    def merit(trial: Sequence[Row]) -> tuple[int, float]:
        mean, _, number = mean_interval(list(scores_of(trial, tuning.score).values()))
        return int(number) - len(trial), float(mean) if number else -math.inf

    best = {key: max(tried, key=lambda v: merit(tried[v])) for key, tried in trials.items()}
    return [row for row in rows if best.get(_others(row, over)) == _those(row, over)]


def _those(row: Row, over: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[name] for name in over)


def _others(row: Row, over: Sequence[str]) -> tuple[str, ...]:
    return tuple(value for name, value in settings_of(row).items() if name not in over)


def selected(rows: Sequence[Row], where: Mapping[str, str]) -> list[Row]:
    """The rows with these values."""
    return [row for row in rows if where.items() <= row.items()]


def contrasts(
    rows: Sequence[Row],
    places: Sequence[Mapping[str, str]],
    pairs: Sequence[tuple[Mapping[str, str], Mapping[str, str]]],
    score: str,
) -> list[list[Difference]]:
    """For each place and each pair of contestants, the difference of their test scores.

    All of them are one family, so that all intervals hold together with 95 %.
    """
    test = selected(rows, {"split": "test"})
    both = [
        (
            scores_of(selected(test, {**place, **a}), score),
            scores_of(selected(test, {**place, **b}), score),
        )
        for place in places
        for a, b in pairs
    ]
    flat = compare_pairs(both)
    return [flat[start : start + len(pairs)] for start in range(0, len(flat), len(pairs))]
