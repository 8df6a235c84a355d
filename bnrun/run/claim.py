"""One process at a time in a run's folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bnrun.config.complaint import mistakes
from bnrun.config.errors import ClaimedError, UserError
from bnrun.config.sentence import sentence

LOCK, HOLDER = ".lock", ".lock.holder"
SWEEP = "BNRUN_SWEEP"
"""Environment variable by which the jobs of a sweep know it; empty in a single run."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """While the block runs, no other process can claim `folder`.

    Removes half-written files that a killed process has left there.

    The operating system releases the lock when the process ends, however it ends, so a lock is
    never stale. Raises ClaimedError at once, naming the other process; UserError if the folder
    cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ClaimedError(
            f"{folder}: {_holder(folder)} is working on this run: wait until it has ended, or stop "
            f"it (if that process is gone, remove {folder / LOCK})"
        ) from error
    except OSError as error:
        raise UserError(sentence(error)) from error
    try:
        with mistakes():
            for part in folder.glob(".*.part"):  # as bnrun.recording.files.replaced names them
                part.unlink()
            (folder / HOLDER).write_text(
                f"process {os.getpid()} on {socket.gethostname()}\n{os.environ.get(SWEEP, '')}"
            )
        yield
        _forget_holder(folder)
    except SystemExit:
        raise  # Submitit has queued the job again, so its sweep still counts it as running.
    except BaseException:
        _forget_holder(folder)
        raise
    finally:
        lock.release()


def _forget_holder(folder: Path) -> None:
    with suppress(OSError):  # the first error is the one to report
        (folder / HOLDER).unlink(missing_ok=True)


def is_claimed(folder: Path) -> bool:
    """Whether a process is working in `folder` right now.

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
        return (folder / HOLDER).read_text().splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        return "another process"


def sweep_at_work(folder: Path) -> str:
    """The sweep whose job works in `folder`; empty if there is none, or it is unknown."""
    try:
        return "".join((folder / HOLDER).read_text().splitlines()[1:2])
    except (OSError, UnicodeDecodeError):
        return ""
