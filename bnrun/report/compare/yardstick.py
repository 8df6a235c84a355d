"""What runs are judged by: the goal that each of them names, or a score that the user asks for."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from bnrun.recording.result import Goal, Result
from bnrun.recording.tags import ScoreName
from bnrun.report.read.runs import Run
from bnrun.report.read.scores import SPLITS, score_names, values_of


class Wanted(NamedTuple):
    """A score that the user asks for.

    larger  whether more of it is better; None if the user did not say
    """

    name: ScoreName
    larger: bool | None


class Yardstick(NamedTuple):
    """A score to compare by.

    way     of evaluating; None means each neuron's own
    larger  whether more of it is better
    """

    split: str
    score: str
    way: str | None
    larger: bool

    @property
    def text(self) -> str:
        """E.g. test accuracy."""
        return f"{self.split} {self.score}"

    @property
    def sign(self) -> float:
        """Factor that makes more of the score better."""
        return 1.0 if self.larger else -1.0

    def way_of(self, run: Run) -> str:
        """How this run is evaluated; the first way it has if it lacks its neuron's own."""
        if self.way is not None:
            return self.way
        ways = run.result["scores"].get(self.split, {}).get(self.score, {})
        own = run.result["way"]
        return own if own in ways else next(iter(ways), "")

    def tag_of(self, run: Run) -> str:
        """Tag of this score's curve in the history of a run."""
        return ScoreName(self.split, self.score, self.way_of(run)).tag

    def values(self, runs: Sequence[Run], split: str | None = None) -> dict[int, float]:
        """Seed -> score on `split`, NaN if the seed diverged; the first run with a seed counts."""
        scores: dict[int, float] = {}
        for run in runs:
            name = ScoreName(split or self.split, self.score, self.way_of(run))
            for seed, value in zip(run.result["seeds"], values_of(run.result, name), strict=False):
                scores.setdefault(seed, math.nan if seed in run.result["diverged"] else value)
        return scores


def yardstick(result: Result, wanted: Wanted | None = None) -> Yardstick | None:
    """What to judge a run by; None if it has no such score.

    The score of its goal on test, or on validation, or on the first split that has it.

    Raises ValueError if nothing says whether more of a wanted score is better.
    """
    goal = result["goal"]
    if wanted is not None:
        split, score, way = wanted.name
        larger = _larger_is_better(wanted, goal)
        return Yardstick(split, score, way, larger) if values_of(result, wanted.name) else None
    splits = [s for s in dict.fromkeys([*SPLITS, *result["scores"]]) if _has(result, s, goal)]
    if not splits:
        return None
    return Yardstick(splits[0], goal["score"], goal["way"], goal["larger_is_better"])


def require(runs: Sequence[Run], wanted: Wanted) -> None:
    """Raises ValueError if no run has the score."""
    names = score_names(run.result for run in runs)
    if wanted.name not in names:
        available = ", ".join("/".join(name) for name in names)
        raise ValueError(f"--score {'/'.join(wanted.name)}: no run has it, use one of {available}")


def _has(result: Result, split: str, goal: Goal) -> bool:
    ways = result["scores"].get(split, {}).get(goal["score"], {})
    return bool(ways) if goal["way"] is None else goal["way"] in ways


def _larger_is_better(wanted: Wanted, goal: Goal) -> bool:
    if wanted.larger is not None:
        return wanted.larger
    if wanted.name.score == goal["score"]:
        return goal["larger_is_better"]
    if wanted.name.score == "loss":
        return False  # What training minimizes, in every task.
    raise ValueError(
        f"--score {'/'.join(wanted.name)}: the runs do not say whether more of it is better, so "
        f"add --better=more or --better=less"
    )
