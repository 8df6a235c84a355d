"""The progress of a sweep, read from the folders of its jobs, so that any launcher may run them."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rich.console import Console

from bnrun.config.duration import duration
from bnrun.recording.files import mark
from bnrun.recording.metrics import history_end
from bnrun.recording.result import RESULT
from bnrun.run.claim import HOLDER, sweep_at_work
from bnrun.sweep.best import Best
from bnrun.sweep.follower import repeated
from bnrun.sweep.say import names, say
from bnrun.sweep.screen import Bars, Lines, Trials

EVERY = 1.0
"""Seconds between two looks at the folders."""

State = Literal["waiting", "running", "done", "pruned", "failed", "elsewhere"]


class WatchedJob(Protocol):
    """A job: its folder, how long it trains (a unit and a number), and whether it was pruned."""

    @property
    def folder(self) -> Path: ...

    @property
    def length(self) -> tuple[str, float]: ...

    @property
    def pruned(self) -> bool: ...


@dataclass
class JobState:
    """What is known of one job. Files from before the sweep say nothing about it.

    name   to show
    sweep  names the sweep; a job that is running for another one is "elsewhere"
    """

    job: WatchedJob
    name: str
    sweep: str = ""
    state: State = "waiting"

    def __post_init__(self) -> None:
        self._before = [mark(self.job.folder / name) for name in (HOLDER, RESULT)]
        self.share_before = self.share = self._measured_share()

    def look(self) -> None:
        """Update from the job's folder."""
        if self.state in ("done", "pruned", "failed"):
            return
        if sweep_at_work(self.job.folder) not in ("", self.sweep):
            self.state = "elsewhere"
            return
        # In this order: a job that ends between the two has a result, and so has not failed.
        holder, result = (mark(self.job.folder / name) for name in (HOLDER, RESULT))
        if holder not in (None, self._before[0]):
            self.state, self.share = "running", self._measured_share()
        elif self.state == "elsewhere":
            return
        elif result not in (None, self._before[1]):
            self.state, self.share = "done", 1.0
        elif self.state == "running":
            self.state = "pruned" if self.job.pruned else "failed"

    @property
    def is_ours(self) -> bool:
        """Whether the sweep has come to this job."""
        return self.state in ("running", "done", "pruned", "failed")

    def pass_over(self) -> None:
        """Take note that the sweep is at a later job."""
        if self.state == "waiting":
            self.state = "elsewhere" if (self.job.folder / HOLDER).exists() else "failed"

    def _measured_share(self) -> float:
        """The share of its length that the job has trained, from its metrics file."""
        unit, length = self.job.length
        try:
            place = history_end(self.job.folder)
        except (OSError, ValueError):
            return 0.0  # The file is being written or removed at this moment.
        trained = 0.0 if place is None else place.step if unit == "step" else place.epoch
        return min(1.0, trained / length)


class Watch:
    """Looks at the jobs of a sweep and shows which are done, running and failed.

    in_turn  whether each job starts when the one before has ended. Then a job that failed at once
             is noticed when the next one starts; otherwise only at the end of the sweep
    trials   shows a search, of which these jobs are a batch
    """

    def __init__(
        self,
        jobs: Sequence[WatchedJob],
        console: Console,
        in_turn: bool,
        sweep: str = "",
        trials: Trials | None = None,
    ) -> None:
        called = names(job.folder for job in jobs)
        self.jobs = [JobState(job, called[job.folder], sweep) for job in jobs]
        bars = jobs and console.is_terminal
        self.screen = trials or (Bars(console) if bars else Lines(console))
        self._in_turn = in_turn
        self._best = trials.best if trials else Best()
        self._start = time.monotonic()

    def look(self) -> None:
        """Look at the folders once, and show what is new."""
        for job in self.jobs:
            job.look()
        started = [n for n, job in enumerate(self.jobs) if job.is_ours]
        if self._in_turn and started:
            for job in self.jobs[: started[-1]]:
                job.pass_over()
        for job in self.jobs:
            if job.state == "done":
                self._best.add(job.job.folder, job.name)
        seconds = time.monotonic() - self._start
        self.screen.show(self.jobs, counts(self.jobs, seconds), self._best.text)


@contextmanager
def watched(
    jobs: Sequence[WatchedJob],
    console: Console,
    in_turn: bool,
    sweep: str = "",
    trials: Trials | None = None,
) -> Iterator[Watch]:
    """Show, while the block runs, how many jobs are done, running and failed, and the time left.

    In a terminal by bars, elsewhere by a line for each job that has ended. `in_turn` and `trials`
    as in Watch, `sweep` as in JobState.
    """
    watch = Watch(jobs, console, in_turn, sweep, trials)
    watch.screen.begin()
    stopped = False
    try:
        watch.look()
        with repeated(watch.look, lambda: EVERY):
            yield watch
    except Exception:
        watch.look()
        raise
    except KeyboardInterrupt:
        stopped = True  # Without a look: the running job has no result, but did not fail.
        raise
    else:
        watch.look()
    finally:
        watch.screen.end()
        if stopped:
            say(console, trials.stopped if trials else f"sweep stopped: {left_behind(watch.jobs)}")


def left_behind(jobs: Sequence[JobState]) -> str:
    """How far a sweep came that is stopped, e.g. 3 of 12 done, 1 unfinished, 8 not started."""
    number = Counter(job.state for job in jobs)
    words = [f"{number['done']} of {len(jobs)} done"]
    texts: dict[State, str] = {
        "running": "unfinished",
        "pruned": "pruned",
        "failed": "failed",
        "waiting": "not started",
    }
    words += [f"{number[state]} {text}" for state, text in texts.items() if number[state]]
    return f"{', '.join(words)}; run the same command again to resume"


def counts(jobs: Sequence[JobState], seconds: float) -> str:
    """E.g. 3 of 12 done, 2 running, 1 failed, about 8 min left."""
    number = Counter(job.state for job in jobs)
    words = [f"{number['done']} of {len(jobs)} done"]
    others: tuple[State, ...] = ("running", "pruned", "failed", "elsewhere")
    words += [f"{number[state]} {state}" for state in others if number[state]]
    gained = sum(job.share - job.share_before for job in jobs)
    left = sum(1 - job.share for job in jobs if job.state not in ("pruned", "failed", "elsewhere"))
    if left and gained > 0:
        words.append(f"about {duration(seconds * left / gained)} left")
    return ", ".join(words)
