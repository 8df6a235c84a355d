"""The messages of a run: on the screen, and in run.log of its folder."""

import os
import socket
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LOG = "run.log"


class Log:
    """The log of one run. Each line of run.log begins with the time, the host and the process."""

    def __init__(self, folder: Path, shown: bool = True) -> None:
        self._path = folder / LOG
        self._shown = shown

    @cached_property
    def console(self) -> "Console":
        """The screen; quiet if the run is not shown."""
        # Imported here, because a config error need not wait 11 ms for rich.
        from rich.console import Console

        return Console(stderr=True, quiet=not self._shown)

    def info(self, text: str) -> None:
        """Print `text` and write it into run.log."""
        self.print(text)
        self.write(text)

    def print(self, text: str) -> None:
        """Print `text`."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)

    def write(self, text: str) -> None:
        """Write `text` into run.log."""
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        # A full disk stops the run elsewhere, with a message of its own.
        with suppress(OSError), self._path.open("a") as file:
            file.write(f"{when} {socket.gethostname()} {os.getpid()}: {text}\n")
