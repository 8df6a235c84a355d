"""The best score of a sweep so far, by which its runs are judged."""

import math
from pathlib import Path

from bnrun.recording.result import RESULT, read_result


class Best:
    """The run with the best validation score, among those with the goal of the first.

    A score is the mean over seeds, NaN if one has diverged: a run must not lead by losing its worst
    seeds.
    """

    def __init__(self) -> None:
        self._seen: set[Path] = set()
        self._goal: tuple[str, str, bool] | None = None
        self._mean = math.nan
        self.text = ""

    def add(self, folder: Path, name: str) -> None:
        """Take the result of a run that is done, once."""
        if folder in self._seen:
            return
        self._seen.add(folder)
        try:
            result = read_result(folder / RESULT)
            goal = result["goal"]
            score, way, larger = (
                goal["score"],
                goal["way"] or result["way"],
                goal["larger_is_better"],
            )
            values = result["scores"]["validation"][score][way]
        except (ValueError, KeyError):
            return  # A damaged result, or one without a validation score, does not lead.
        if self._goal not in (None, (score, way, larger)):
            return
        self._goal, mean = (score, way, larger), sum(values) / len(values)
        first, better = math.isnan(self._mean), mean > self._mean if larger else mean < self._mean
        if math.isfinite(mean) and (first or better):
            self._mean = mean
            way = way.replace("_", "-")
            self.text = f"best validation {score} {way} {mean:.4g}: {name}"
