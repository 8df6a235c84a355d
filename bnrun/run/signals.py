"""Ctrl-C and SIGTERM: a training leaves after a whole step, anything else leaves at once."""

import os
import signal
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


def is_worker() -> bool:
    """Whether a pool of processes, like joblib's, has started this process to do its jobs."""
    from multiprocessing import parent_process  # Only where jobs run: --help needn't wait for it.

    return parent_process() is not None


def is_orphan() -> bool:
    """Whether this is such a worker, and the process that started it is gone."""
    from multiprocessing import parent_process

    parent = parent_process()
    return parent is not None and parent.pid != os.getppid()


def leave_at_once() -> None:
    """Make Ctrl-C and SIGTERM end the process where it stands, even inside an import.

    Nothing is lost by it: every file of a run is whole at any moment, or cut when it goes on.
    """
    for number in STATUS:
        signal.signal(number, _leave)


class Postponed:
    """While it is entered, the first signal is only noted; the second one leaves at once.

    status  to leave with, once the training has been told to stop; None until then

    A worker is also told by the end of the process that started it, for a signal may have met that
    one alone. Handlers that somebody else has set, like a cluster's, stay; other threads have none.
    """

    def __init__(self) -> None:
        self._noted: int | None = None
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

    @property
    def status(self) -> int | None:
        if self._noted is None and is_orphan():
            return STATUS[signal.SIGTERM]
        return self._noted

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted is not None:
            _leave(number, frame)
        self._noted = STATUS[signal.Signals(number)]
        if not is_worker():
            _tell(b"stopping after this step; a second signal leaves at once")


def _leave(number: int, frame: FrameType | None) -> None:
    _tell(b"interrupted; the same command goes on")
    os._exit(STATUS[signal.Signals(number)])


def _tell(text: bytes) -> None:
    # Not by print, in whose midst the signal may have come.
    os.write(2, b"\nbnrun: " + text + b"\n")
