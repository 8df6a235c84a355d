"""The progress of a sweep, read from the folders of its jobs, so that any launcher may run them."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from bnrun.config.duration import duration
from bnrun.sweep.best import Best
from bnrun.sweep.follower import repeated
from bnrun.sweep.job_state import JobState, State, WatchedJob
from bnrun.sweep.say import names, say
from bnrun.sweep.screen import Bars, Lines, Trials

EVERY = 1.0
"""Seconds between two looks at the folders."""


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
        # Only a search has limits. A short trial may start and be pruned between two looks.
        self._limited = [job for job in self.jobs if trials and not job.job.pruned]
        self._in_turn = in_turn
        self._best = trials.best if trials else Best()
        self._start = time.monotonic()

    def look(self) -> None:
        """Look at the folders once, and show what is new."""
        for job in self.jobs:
            job.look()
        for job in self._limited:
            if job.state == "waiting" and job.job.pruned:
                job.state = "pruned"
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
    """How far a stopped sweep has come, e.g. 3 of 12 done, 1 unfinished, 8 not started."""
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
