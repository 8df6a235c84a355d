"""The bar of a run in a terminal: it moves while torch is loaded, and counts steps after that."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

WIDTH = 16
"""Columns of the bar itself, which leave room in 80 for the step, the time left and the scores."""


class Bar:
    """Shown while its block runs, if the console is a terminal.

    A block that fails before the first step leaves no bar on the screen.
    """

    def __init__(self, console: Console) -> None:
        waiting = BarColumn(bar_width=WIDTH), TextColumn("loading torch and the data")
        shown = console.is_terminal and not console.quiet
        self._progress = Progress(
            *waiting,
            console=console,
            disable=not shown,
            redirect_stdout=sys.stdout.isatty(),  # What goes to a file is not part of this view.
        )
        self._task = self._progress.add_task("", total=None, numbers="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.live.transient = self._progress.tasks[0].total is None
        self._progress.stop()

    def begin(self, total: int) -> None:
        """Count `total` steps from now on. Bar, step and time left have fixed places."""
        step = f"{{task.completed:>{len(str(total))}}}/{total} steps"
        self._progress.columns = (
            BarColumn(bar_width=WIDTH),
            TextColumn(step),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}", markup=False),
        )
        self._progress.reset(self._task, total=total)

    def update(self, step: int, numbers: str) -> None:
        """Show that `step` steps are done, and the `numbers` to watch."""
        self._progress.update(self._task, completed=step, numbers=numbers)
