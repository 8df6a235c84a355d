"""One process at a time in a run's folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK, HOLDER = ".lock", ".lock.holder"


class HeldError(ValueError):
    """Another process is at work in a run's folder."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """While the block runs, no other process can claim `folder`.

    What a killed process has left there half written is removed.

    The operating system gives the claim back when the process ends in any way, so a stale lock
    cannot be. Raises HeldError, which says who is there, at once; OSError if the folder cannot
    be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise HeldError(
            f"{folder}: {_holder(folder)} is at work on this run: wait until it has ended, or stop "
            f"it (if it is gone, remove {folder / LOCK})"
        ) from error
    try:
        for part in folder.glob(".*.part"):  # as bnrun.recording.files.replaced names them
            part.unlink()
        (folder / HOLDER).write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def held(folder: Path) -> bool:
    """Whether a process is at work in `folder` at this moment.

    Raises OSError if the folder cannot be written.
    """
    if not folder.exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def _holder(folder: Path) -> str:
    try:
        return (folder / HOLDER).read_text() or "another process"
    except OSError:
        return "another process"
