"""The messages of a run: on the screen, and in run.log of its folder."""

import os
import socket
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bnrun.config.plain import plain

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
        from bnrun.run.screen import screen

        return screen(stderr=True, quiet=not self._shown)

    def info(self, text: str) -> None:
        """Print `text` and write it into run.log."""
        self.print(text)
        self.write(plain(text))

    def print(self, text: str) -> None:
        """Print `text`, on one line."""
        self.console.print(plain(text), soft_wrap=True)

    def write(self, text: str) -> None:
        """Write `text` into run.log; its lines after the first are indented."""
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        lines = "\n  ".join(map(plain, text.rstrip("\n").split("\n")))
        # A full disk stops the run elsewhere, with a message of its own.
        with suppress(OSError), _opened(self._path) as file:
            file.write(f"{when} {socket.gethostname()} {os.getpid()}: {lines}\n")


def _opened(path: Path) -> TextIO:
    """A file to append to, but not through a link."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "a", encoding="utf-8")
