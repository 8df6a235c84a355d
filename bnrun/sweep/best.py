"""The best score of a sweep so far, by which its runs are judged."""

import math
from pathlib import Path
from typing import NamedTuple

from bnrun.recording.result import RESULT, read_result


class Score(NamedTuple):
    """The goal of a run on validation: mean over seeds, NaN if one has diverged.

    So a run cannot lead because its worst seeds are left out.
    """

    goal: tuple[str, str, bool]
    mean: float

    @property
    def text(self) -> str:
        """E.g. validation accuracy sampled 0.93."""
        name, way, _ = self.goal
        return f"validation {name} {way.replace('_', '-')} {self.mean:.4g}"


def score_of(folder: Path) -> Score | None:
    """None if the result is damaged, or has no score on validation."""
    try:
        result = read_result(folder / RESULT)
        goal = result["goal"]
        name, way, larger = goal["score"], goal["way"] or result["way"], goal["larger_is_better"]
        values = result["scores"]["validation"][name][way]
    except (OSError, ValueError, KeyError):
        return None
    return Score((name, way, larger), sum(values) / len(values))


class Best:
    """The run with the best score, among those with the goal of the first."""

    def __init__(self) -> None:
        self._added: set[Path] = set()
        self._best: Score | None = None
        self._goal: tuple[str, str, bool] | None = None
        self.text = ""

    def add(self, folder: Path, name: str) -> None:
        """Take the result of a run that is done, once."""
        if folder in self._added:
            return
        self._added.add(folder)
        score = score_of(folder)
        if score is None or self._goal not in (None, score.goal):
            return
        self._goal = score.goal
        if math.isfinite(score.mean) and self._is_better(score):
            self._best = score
            self.text = f"best {score.text}: {name}"

    def _is_better(self, score: Score) -> bool:
        if self._best is None:
            return True
        larger = score.goal[2]
        return score.mean > self._best.mean if larger else score.mean < self._best.mean
