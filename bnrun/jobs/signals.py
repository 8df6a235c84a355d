"""Ctrl-C and SIGTERM: a training leaves after a whole step, anything else leaves at once."""

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Self

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Exit status by signal: 128 and its number, as shells have it."""


class Stopped(KeyboardInterrupt):
    """A training that was told to stop, and has written its checkpoint."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def leave_at_once() -> None:
    """Make Ctrl-C and SIGTERM end the process where it stands, even inside an import.

    Nothing is lost by it: every file of a run is whole at any moment, or cut when it goes on.
    """
    for number in STATUS:
        signal.signal(number, _leave)


class Postponed:
    """While it is entered, the first signal is only noted; the second one leaves at once.

    Handlers that somebody else has set, like a cluster's, stay; other threads have none.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            ours = (_leave, signal.SIG_DFL, signal.default_int_handler)
            self._before = {s: signal.getsignal(s) for s in STATUS if signal.getsignal(s) in ours}
            for number in self._before:
                signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as it was given

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.status is not None:
            _leave(number, frame)
        self.status = STATUS[signal.Signals(number)]


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(sys.stderr.fileno(), b"\nbnrun: interrupted; the same command goes on\n")
    os._exit(STATUS[signal.Signals(number)])
