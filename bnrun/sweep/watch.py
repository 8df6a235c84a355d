"""How a sweep is getting on, seen from its folders, so that any launcher may do the jobs."""

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from bnrun.recording.files import mark
from bnrun.recording.metrics import history_end
from bnrun.recording.result import RESULT
from bnrun.run.claim import HOLDER

EVERY = 1.0
"""Seconds between two looks at the folders."""

State = Literal["waiting", "running", "done", "failed"]


class Watched(Protocol):
    """A job: where it is done, and how long it is to go on (a unit and its number)."""

    @property
    def folder(self) -> Path: ...

    @property
    def length(self) -> tuple[str, float]: ...


@dataclass
class _Seen:
    """What is known of one job; what lay in its folder before says nothing of this sweep."""

    job: Watched
    state: State = "waiting"

    def __post_init__(self) -> None:
        self._before = [mark(self.job.folder / name) for name in (HOLDER, RESULT)]
        self.begun = self.share = self._measured()

    def look(self) -> None:
        if self.state in ("done", "failed"):
            return
        # In this order: a job that ends between the two has its result, and has not failed.
        holder, result = (mark(self.job.folder / name) for name in (HOLDER, RESULT))
        if holder not in (None, self._before[0]):
            self.state, self.share = "running", self._measured()
        elif result not in (None, self._before[1]):
            self.state, self.share = "done", 1.0
        elif self.state == "running":
            self.state = "failed"

    def _measured(self) -> float:
        """The share of its length that its history has."""
        unit, number = self.job.length
        try:
            place = history_end(self.job.folder)
        except (OSError, ValueError):
            return 0.0  # Being written or removed at this moment.
        begun = 0.0 if place is None else place.step if unit == "step" else place.epoch
        return min(1.0, begun / number)


class Watch:
    """Shows, while its block runs, how many jobs are done, running and failed, and the time left.

    A bar in a terminal, elsewhere a line for each job that has ended.

    in_turn  whether each job begins when the one before has ended: then one that failed at once
             is known by those after it; else it is told only at the end of the sweep
    """

    def __init__(self, jobs: Sequence[Watched], console: Console, in_turn: bool) -> None:
        self._seen = [_Seen(job) for job in jobs]
        self._in_turn = in_turn
        self._start = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._screen = _Bars(console) if jobs and console.is_terminal else _Lines(console)

    def __enter__(self) -> "Watch":
        self._screen.begin()
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None or issubclass(kind, Exception):
            self.look()  # After Ctrl-C the job at work has ended without a result, but not failed.
        self._screen.end()

    def _follow(self) -> None:
        while not self._stop.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Look at the folders once, and show what is new."""
        for seen in self._seen:
            seen.look()
        begun = [n for n, seen in enumerate(self._seen) if seen.state != "waiting"]
        if self._in_turn and begun:
            for seen in self._seen[: begun[-1]]:
                seen.state = "failed" if seen.state == "waiting" else seen.state
        self._screen.show(self._seen, counts(self._seen, time.monotonic() - self._start))


def counts(seen: Sequence[_Seen], seconds: float) -> str:
    """E.g. 3 of 12 done, 2 running, 1 failed, about 8 min left."""
    number = {state: sum(s.state == state for s in seen) for state in ("done", "running", "failed")}
    words = [f"{number['done']} of {len(seen)} done"]
    words += [f"{number[state]} {state}" for state in ("running", "failed") if number[state]]
    gained = sum(s.share - s.begun for s in seen)
    left = sum(1 - s.share for s in seen if s.state != "failed")
    if left and gained > 0:
        words.append(f"about {duration(seconds * left / gained)} left")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """A time to the nearest second, minute or tenth of an hour."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Lines:
    """For a file or a pipe."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[Path] = set()

    def begin(self) -> None:
        pass

    def show(self, seen: Sequence[_Seen], words: str) -> None:
        for one in seen:
            folder = one.job.folder
            if one.state in ("done", "failed") and folder not in self._told:
                self._told.add(folder)
                line = f"{one.state}: {folder.name} ({words})"
                self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def end(self) -> None:
        pass


class _Bars:
    """For a terminal: a bar for the sweep, and one below it for each running job."""

    def __init__(self, console: Console) -> None:
        name = TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        )
        told = TextColumn("{task.fields[told]}", table_column=Column(no_wrap=True))
        self._progress = Progress(
            name,
            BarColumn(bar_width=20),
            told,
            console=console,
            expand=True,
            # What the jobs print there is for whoever reads it, and no part of this view.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._sweep = self._progress.add_task("sweep", total=None, told="")
        self._jobs: dict[Path, TaskID] = {}

    def begin(self) -> None:
        self._progress.start()

    def show(self, seen: Sequence[_Seen], words: str) -> None:
        ended = sum(1.0 if s.state == "failed" else s.share for s in seen)
        self._progress.update(self._sweep, completed=ended, total=len(seen), told=words)
        for one in seen:
            folder = one.job.folder
            if one.state == "running":
                if folder not in self._jobs:
                    self._jobs[folder] = self._progress.add_task(folder.name, total=1, told="")
                told = f"{100 * one.share:.0f} %"
                self._progress.update(self._jobs[folder], completed=one.share, told=told)
            elif folder in self._jobs:
                self._progress.remove_task(self._jobs.pop(folder))

    def end(self) -> None:
        self._progress.stop()
