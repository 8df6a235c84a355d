"""What a run says: on the screen, and in its folder for later."""

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
    """Messages of one run; each line of run.log tells when, where and by which process."""

    def __init__(self, folder: Path, shown: bool = True) -> None:
        self._path = folder / LOG
        self._shown = shown

    @cached_property
    def console(self) -> "Console":
        """The screen; quiet for a run that is not shown."""
        # Here, so that a mistake in the settings is said before rich is loaded.
        from rich.console import Console

        return Console(stderr=True, quiet=not self._shown)

    def say(self, text: str) -> None:
        """Show `text` and keep it."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)
        self.keep(text)

    def keep(self, text: str) -> None:
        """Keep `text` without showing it."""
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        # A full disk stops the run elsewhere, with a message of its own.
        with suppress(OSError), self._path.open("a") as file:
            file.write(f"{when} {socket.gethostname()} {os.getpid()}: {text}\n")
