"""Ctrl-C and SIGTERM: a training stops after a whole step, anything else stops at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from types import FrameType
from typing import Any

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Exit status by signal: 128 plus its number, as in shells."""

INTERRUPTED = "interrupted; run the same command again to resume"


_Handler = Callable[[int, FrameType | None], Any] | int | None
"""What signal.getsignal returns and signal.signal takes."""


class Stopped(KeyboardInterrupt):
    """A signal stopped the training, after a checkpoint was written."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def is_worker() -> bool:
    """Whether a process pool, like joblib's, has started this process to run its jobs."""
    return parent_process() is not None


def is_orphan() -> bool:
    """Whether this process is such a worker whose parent process has ended."""
    parent = parent_process()
    return parent is not None and parent.pid != os.getppid()


def exit_if_orphan() -> None:
    """End such a worker, which would take its next job even after the sweep was stopped."""
    if is_orphan():
        os._exit(1)


def exit_if_worker(status: int) -> None:
    """End a worker at once; its pool would wait for it."""
    if is_worker():
        os._exit(status)


def exit_on_signals() -> None:
    """Make Ctrl-C and SIGTERM end the process immediately, even inside an import.

    Nothing is lost: every file of a run is complete at any moment, or is repaired on resuming.
    """
    for number in STATUS:
        signal.signal(number, _exit)


class Signals:
    """The signals that came while they were postponed; a second one goes to the handler before."""

    def __init__(self) -> None:
        self._status: int | None = None
        self.before: dict[signal.Signals, _Handler] = {}

    @property
    def status(self) -> int | None:
        """The exit status to stop with; None if nothing has asked for a stop.

        A worker also stops if its parent has ended, because a signal may reach only the parent.
        """
        if self._status is None and is_orphan():
            return STATUS[signal.SIGTERM]
        return self._status

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handler: note the first signal; on the second, do what was to be done before.

        The command line exits. In a notebook Ctrl-C interrupts the cell, and its process goes on.
        """
        if self._status is not None:
            before = self.before[signal.Signals(number)]
            (before if callable(before) else _exit)(number, frame)
        self._status = STATUS[signal.Signals(number)]
        if not is_worker():
            _print("stopping after this step; a second signal stops at once")


@contextmanager
def postponed() -> Iterator[Signals]:
    """While the block runs, the first signal is only noted; the second one stops at once.

    Handlers that somebody else has installed, like a cluster's, stay. Threads other than the main
    one cannot have handlers.
    """
    signals = Signals()
    if threading.current_thread() is threading.main_thread():
        ours = (_exit, signal.SIG_DFL, signal.default_int_handler)
        signals.before = {s: signal.getsignal(s) for s in STATUS if signal.getsignal(s) in ours}
    for number in signals.before:
        signal.signal(number, signals.note)
    try:
        yield signals
    finally:
        for number, handler in signals.before.items():
            signal.signal(number, handler)


def _exit(number: int, frame: FrameType | None) -> None:
    with suppress(OSError):
        screen = os.dup(2)
        # Nothing comes after the last words: the thread that draws a bar may still be at work.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        _print(INTERRUPTED, screen, _NO_BAR if os.isatty(screen) else "")
    os._exit(STATUS[signal.Signals(number)])


_NO_BAR = "\r\x1b[2K\x1b[?25h"
"""For terminals: erase the line where a bar was drawn, and show the cursor again."""


def _print(text: str, screen: int = 2, before: str = "") -> None:
    # print() is not safe in a handler: the signal may have come inside of it.
    with suppress(OSError):  # its reader may have gone
        os.write(screen, f"{before}\nbnrun: {text}\n".encode())
