"""Which scores runs have, and which of them to show."""

import math
from collections.abc import Iterable, Sequence

from bnrun.recording.result import Result
from bnrun.recording.tags import ScoreName

SPLITS = ("test", "validation")
"""The splits whose scores are shown; scores on training data are only in the CSV."""


def score_names(results: Iterable[Result]) -> list[ScoreName]:
    """Every score that at least one of the results has, in order of first appearance."""
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
    """Those on SPLITS, in that order; all of them if there are none."""
    return [name for split in SPLITS for name in names if name.split == split] or list(names)


def main_scores(results: Sequence[Result]) -> list[ScoreName]:
    """Those of shown_scores that are the goal of at least one result, in every way."""
    goals = {result["goal"]["score"] for result in results}
    return [name for name in shown_scores(score_names(results)) if name.score in goals]


def values_of(result: Result, name: ScoreName) -> list[float]:
    """One value per seed, NaN if the seed diverged; empty if the result has no such score."""
    values = result["scores"].get(name.split, {}).get(name.score, {}).get(name.way, [])
    diverged = [seed in result["diverged"] for seed in result["seeds"]]
    return [math.nan if gone else x for x, gone in zip(values, diverged, strict=False)]


def way_text(way: str) -> str:
    """A way of evaluating as tables show it, e.g. mean-field."""
    return way.replace("_", "-")
