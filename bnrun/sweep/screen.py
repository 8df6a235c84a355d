"""What a sweep shows on the screen: bars in a terminal, lines in a file or a pipe."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from bnrun.config.count import number_of
from bnrun.config.plain import plain
from bnrun.sweep.best import Best, score_of
from bnrun.sweep.estimate import time_left
from bnrun.sweep.job_state import JobState
from bnrun.sweep.plan import Job
from bnrun.sweep.say import names, say


def list_jobs(jobs: Sequence[Job]) -> None:
    """Print on standard output how each job stands."""
    console, called = Console(), names(job.folder for job in jobs)
    for job in jobs:
        reason = f": {job.reason}" if job.reason else ""
        say(console, f"{job.status:10} {called[job.folder]}{reason}")
    counts = Counter(job.status for job in jobs)
    words = ", ".join(f"{number} {status}" for status, number in counts.items())
    say(console, f"{number_of(len(jobs), 'job')}: {words}; {time_left(jobs)}")


class Lines:
    """A line for each job that has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: set[Path] = set()
        self._best = ""

    def begin(self) -> None:
        pass

    def show(self, jobs: Sequence[JobState], text: str, best: str) -> None:
        """Print the jobs that have ended since the last call; `text` and `best` are about all."""
        for job in jobs:
            folder = job.job.folder
            if job.state in ("done", "pruned", "failed") and folder not in self._printed:
                self._printed.add(folder)
                say(self._console, f"{job.state}: {job.name} ({text})")
        if best != self._best:
            self._best = best
            say(self._console, best)

    def end(self) -> None:
        pass


class Trials:
    """A line for each trial of a search that has ended; in a terminal, bars for those that run.

    total  number of trials that the search will have
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._bars = Bars(console, total) if console.is_terminal else None
        self._printed: set[Path] = set()
        self._ended = 0
        self.best = Best()

    def begin(self) -> None:
        if self._bars:
            self._bars.begin()

    def show(self, jobs: Sequence[JobState], text: str, best: str) -> None:
        """Print the trials of this batch that have ended since the last call."""
        for job in jobs:
            folder = job.job.folder
            if job.state in ("done", "pruned", "failed") and folder not in self._printed:
                self._printed.add(folder)
                number = self._ended + len(self._printed)
                score = score_of(folder) if job.state == "done" else None
                result = f" ({score.text})" if score else ""
                say(
                    self._console,
                    f"trial {number} of {self._total} {job.state}: {job.name}{result}",
                )
        if self._bars:
            self._bars.before = self._ended
            self._bars.show(jobs, f"{self._ended} of {self._total} trials", best)

    def end(self) -> None:
        if self._bars:
            self._bars.end()

    def count(self, trials: int) -> None:
        """Note that this many trials of the batch have ended, including those done before."""
        self._ended += trials
        self._printed.clear()

    @property
    def stopped(self) -> str:
        """How far a stopped search has come."""
        ended = self._ended + len(self._printed)
        return (
            f"search stopped: {ended} of {self._total} trials ended; run the same command again to "
            f"resume"
        )


class _Bars(Progress):
    """Bars with a line above them."""

    line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.line:
            yield Text(self.line, no_wrap=True, overflow="ellipsis")
        yield from super().get_renderables()


class Bars:
    """The best run so far, a bar for the sweep, and one below it for each running job.

    total  number of jobs, if they come in batches: then the bars disappear with each batch
    """

    before = 0
    """Number of jobs in the batches before this one."""

    def __init__(self, console: Console, total: int | None = None) -> None:
        name = TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        )
        text = TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True))
        self._progress = _Bars(
            name,
            BarColumn(bar_width=20),
            text,
            console=console,
            expand=True,
            transient=total is not None,
            # If it goes to a file, what the jobs print there is not part of this view.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._sweep = self._progress.add_task("sweep", total=total, text="")
        self._total = total
        self._jobs: dict[Path, TaskID] = {}

    def begin(self) -> None:
        self._progress.start()

    def show(self, jobs: Sequence[JobState], text: str, best: str) -> None:
        """Update all bars; `text` and `best` are about the sweep."""
        self._progress.line = plain(best)
        ended = self.before + sum(
            1.0 if job.state in ("pruned", "failed", "elsewhere") else job.share for job in jobs
        )
        self._progress.update(
            self._sweep, completed=ended, total=self._total or len(jobs), text=text
        )
        for job in jobs:
            folder = job.job.folder
            if job.state == "running":
                if folder not in self._jobs:
                    self._jobs[folder] = self._progress.add_task(plain(job.name), total=1, text="")
                share = f"{100 * job.share:.0f} %"
                self._progress.update(self._jobs[folder], completed=job.share, text=share)
            elif folder in self._jobs:
                self._progress.remove_task(self._jobs.pop(folder))

    def end(self) -> None:
        self._progress.stop()
