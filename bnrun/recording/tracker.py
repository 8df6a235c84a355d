"""Trackers other than TensorBoard: the class that a user can write, and what calls it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any


class Tracker(ABC):
    """Shows the curves of one run somewhere else, e.g. in trackio, wandb or MLflow.

    `start` is called once when a run starts and once when it resumes. A resumed run logs its whole
    history again, so that no point is missing or doubled if `start` begins an empty one.
    """

    @abstractmethod
    def start(self, study: str, run: str, config: Mapping[str, Any]) -> None:
        """Begin a run.

        study   folder of runs that are compared
        run     the name of its folder, unique in its study
        config  resolved: plain values, nested
        """

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to some curves: tag -> finite mean over the seeds."""

    @abstractmethod
    def finish(self) -> None:
        """End the run; whatever was logged is safe when this returns."""


def _silence() -> redirect_stdout[StringIO]:
    """What trackers print would tear the progress bar; some ask stdout whether it is a terminal."""
    return redirect_stdout(StringIO())


class Trackers:
    """The trackers of one run, none of which can end its training once it has started.

    named  name -> tracker
    say    prints a sentence; one that fails is named in it, and not called any more
    """

    def __init__(self, named: Mapping[str, Tracker], say: Callable[[str], None]) -> None:
        self._named = named
        self._active: dict[str, Tracker] = {}
        self._say = say

    def start(self, study: str, run: str, config: Mapping[str, Any]) -> None:
        """Begin the run everywhere. Raises what a tracker raises."""
        with _silence():
            for name, tracker in self._named.items():
                tracker.start(study, run, config)
                self._active[name] = tracker

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curves whose value is finite."""
        finite = {tag: value for tag, value in values.items() if math.isfinite(value)}
        if finite:
            self._each(lambda tracker: tracker.log(step, finite))

    def finish(self) -> None:
        """End the run wherever it has started and not ended yet."""
        self._each(lambda tracker: tracker.finish())
        self._active.clear()

    def __bool__(self) -> bool:
        return bool(self._active)

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._active.items()):
            try:
                with _silence():
                    call(tracker)
            except Exception as error:
                del self._active[name]
                text = f"{type(error).__name__}: {error}"
                self._say(f"recorder.also: {name} failed ({text}) and gets no more of this run")
