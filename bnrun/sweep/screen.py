"""What a sweep shows on the screen: bars in a terminal, lines in a file or a pipe."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from bnrun.config.plain import plain
from bnrun.sweep.say import say

if TYPE_CHECKING:
    from bnrun.sweep.watch import JobState


class Lines:
    """A line for each job that has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: set[Path] = set()

    def begin(self) -> None:
        pass

    def show(self, jobs: Sequence["JobState"], text: str) -> None:
        """Print the jobs that have ended since the last call; `text` is about the sweep."""
        for job in jobs:
            folder = job.job.folder
            if job.state in ("done", "failed") and folder not in self._printed:
                self._printed.add(folder)
                line = f"{job.state}: {job.name} ({text})"
                say(self._console, line)

    def end(self) -> None:
        pass


class Bars:
    """A bar for the sweep, and one below it for each running job."""

    def __init__(self, console: Console) -> None:
        name = TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        )
        text = TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True))
        self._progress = Progress(
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

    def show(self, jobs: Sequence["JobState"], text: str) -> None:
        """Update all bars; `text` is about the sweep."""
        ended = sum(1.0 if job.state in ("failed", "elsewhere") else job.share for job in jobs)
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
