"""What runs are judged by: the goal that each of them names, or a score that the user asks for."""

from collections.abc import Sequence
from typing import NamedTuple

from bnrun.recording.result import Goal, Result
from bnrun.recording.tags import ScoreName
from bnrun.report.read.runs import Run
from bnrun.report.read.scores import SPLITS, score_names, values_of, way_text

# Thresholded first, because it is what a net of real binary units computes.
_ORDER = ("thresholded", "mean_field", "sampled", "averaged")


class Wanted(NamedTuple):
    """A score that the user asks for.

    larger  whether more of it is better; None if the user did not say
    """

    name: ScoreName
    larger: bool | None


class Yardstick(NamedTuple):
    """A score to compare by.

    way     of evaluating
    larger  whether more of it is better
    """

    split: str
    score: str
    way: str
    larger: bool

    @property
    def name(self) -> ScoreName:
        """The score, on its split, in its way."""
        return ScoreName(self.split, self.score, self.way)

    @property
    def text(self) -> str:
        """E.g. test accuracy sampled."""
        return f"{self.split} {self.measure}"

    @property
    def measure(self) -> str:
        """Without the split, e.g. accuracy sampled."""
        return f"{self.score} {way_text(self.way)}"

    @property
    def sign(self) -> float:
        """Factor that makes more of the score better."""
        return 1.0 if self.larger else -1.0

    def values(self, runs: Sequence[Run], split: str | None = None) -> dict[int, float]:
        """Seed -> score on `split`, NaN if the seed diverged; the first run with a seed counts."""
        name = self.name._replace(split=split or self.split)
        scores: dict[int, float] = {}
        for run in runs:
            for seed, value in zip(run.result["seeds"], values_of(run.result, name), strict=False):
                scores.setdefault(seed, value)
        return scores


def settled(measure: Yardstick, runs: Sequence[Run]) -> Yardstick:
    """The yardstick with one way of evaluating for all of these runs, if it names none.

    Their neurons' own way if it is the same and all have it; otherwise the first one that all have,
    in the order thresholded, mean-field, sampled, averaged and others.

    Raises ValueError if they have no way in common.
    """
    if measure.way:
        return measure
    ways = {run.folder: _ways(run.result, measure) for run in runs}
    common = [way for way in ways[runs[0].folder] if all(way in own for own in ways.values())]
    own = {run.result["way"] for run in runs}
    if len(own) == 1 and own <= set(common):
        return measure._replace(way=own.pop())
    if not common:
        examples = {tuple(own): folder for folder, own in ways.items()}
        listed = "; ".join(f"{folder}: {', '.join(own)}" for own, folder in examples.items())
        raise ValueError(
            f"{measure.split} {measure.score} was not evaluated in any way that all runs have "
            f"that would be compared ({listed}): compare runs that share one, or choose one with "
            f"--score {measure.split}/{measure.score}/WAY, which leaves out the others"
        )
    order = [*(way for way in _ORDER if way in common), *common]
    return measure._replace(way=order[0])


def _ways(result: Result, measure: Yardstick) -> list[str]:
    """Ways in which a run has the score, on validation too if it has it there at all."""
    scores = result["scores"]
    validation = scores.get("validation", {}).get(measure.score)
    return [
        way
        for way in scores[measure.split][measure.score]
        if validation is None or way in validation
    ]


def yardstick(result: Result, wanted: Wanted | None = None) -> Yardstick | None:
    """What to judge a run by; None if it has no such score.

    The score of its goal on test, or on validation, or on the first split that has it. Its
    way is "" if the goal names none, which means one that suits all runs that are compared.

    Raises ValueError if nothing says whether more of a wanted score is better.
    """
    goal = result["goal"]
    if wanted is not None:
        split, score, way = wanted.name
        larger = _larger_is_better(wanted, goal)
        return Yardstick(split, score, way, larger) if values_of(result, wanted.name) else None
    splits = [
        s
        for s in dict.fromkeys([*SPLITS, *result["scores"]])
        if _has(result, s, goal["score"], goal["way"])
    ]
    if not splits:
        return None
    return Yardstick(splits[0], goal["score"], goal["way"] or "", goal["larger_is_better"])


def require(runs: Sequence[Run], wanted: Wanted) -> None:
    """Raises ValueError if no run has the score."""
    names = score_names(run.result for run in runs)
    if wanted.name not in names:
        available = ", ".join("/".join(name) for name in names)
        raise ValueError(f"--score {'/'.join(wanted.name)}: no run has it, use one of {available}")


def has(result: Result, split: str, measure: Yardstick) -> bool:
    """Whether a run has the score on a split, in the way that the yardstick names or in any."""
    return _has(result, split, measure.score, measure.way)


def _has(result: Result, split: str, score: str, way: str | None) -> bool:
    ways = result["scores"].get(split, {}).get(score, {})
    return way in ways if way else bool(ways)


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
