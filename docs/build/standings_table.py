"""A table of scores on the results page, with who is ahead of how many others."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from results_recipe import StandingsSpec
from tuned import Row, scores_of, selected

from bnrun.recording.intervals import mean_interval
from bnrun.report.compare.statistics import Scores, compare_pairs
from bnrun.report.read.column import Column
from bnrun.report.render.tables import markdown_table


def standings_table(spec: StandingsSpec, rows: Sequence[Row], path: Path) -> str:
    """The table in Markdown: a row per contestant, a column per place.

    A cell has the mean over seeds, of how many others the contestant is ahead, and how many are
    ahead of it, by the joint test over all pairs of a place.

    Raises ValueError if a place has fewer than two contestants.
    """
    rows = [row for row in rows if row["split"] == "test" and row["seed"] not in spec.search_seeds]
    columns = []
    for title, place in spec.places.items():
        here = standing(spec, selected(rows, place))
        if len(here) < 2:
            raise ValueError(f"{path}: {spec.title!r}: {title} has {len(here)} contestants")
        columns.append(Column(title, tuple(here.get(name, "") for name in spec.contestants)))
    return markdown_table([Column("estimator", tuple(spec.contestants))], columns)


def standing(spec: StandingsSpec, rows: Sequence[Row]) -> dict[str, str]:
    """Contestant -> its cell, for those with rows."""
    scores = {name: _scores(spec, rows, where) for name, where in spec.contestants.items()}
    scores = {name: values for name, values in scores.items() if values}
    ahead, behind = dict.fromkeys(scores, 0), dict.fromkeys(scores, 0)
    pairs = list(combinations(scores, 2))
    found = compare_pairs([(scores[a], scores[b]) for a, b in pairs])
    for (a, b), difference in zip(pairs, found, strict=True):
        if difference.significant:
            better, worse = (a, b) if difference.mean > 0 else (b, a)
            ahead[better] += 1
            behind[worse] += 1
    sign = -1 if spec.lower else 1
    return {
        name: f"{sign * mean_interval(list(values.values())).mean:.{spec.digits}f} "
        f"(+{ahead[name]} -{behind[name]})"
        for name, values in scores.items()
    }


def _scores(spec: StandingsSpec, rows: Sequence[Row], where: Mapping[str, str]) -> Scores:
    """Larger is better."""
    values = scores_of(selected(rows, where), spec.score)
    return {seed: -value for seed, value in values.items()} if spec.lower else values
