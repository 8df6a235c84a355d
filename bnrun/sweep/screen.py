"""What a sweep shows on the screen: bars in a terminal, lines in a file or a pipe."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from bnrun.config.plain import plain
from bnrun.sweep.say import say

if TYPE_CHECKING:
    from bnrun.sweep.watch import JobState


class Lines:
    """A line for each job that has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: set[Path] = set()
        self._best = ""

    def begin(self) -> None:
        pass

    def show(self, jobs: Sequence["JobState"], text: str, best: str) -> None:
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


class _Bars(Progress):
    """Bars with a line above them."""

    line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.line:
            yield Text(self.line, no_wrap=True, overflow="ellipsis")
        yield from super().get_renderables()


class Bars:
    """The best run so far, a bar for the sweep, and one below it for each running job."""

    def __init__(self, console: Console) -> None:
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
            # If it goes to a file, what the jobs print there is not part of this view.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._sweep = self._progress.add_task("sweep", total=None, text="")
        self._jobs: dict[Path, TaskID] = {}

    def begin(self) -> None:
        self._progress.start()

    def show(self, jobs: Sequence["JobState"], text: str, best: str) -> None:
        """Update all bars; `text` and `best` are about the sweep."""
        self._progress.line = plain(best)
        ended = sum(
            1.0 if job.state in ("pruned", "failed", "elsewhere") else job.share for job in jobs
        )
        self._progress.update(self._sweep, completed=ended, total=len(jobs), text=text)
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
