"""Work in a child process, which may be killed at a random moment."""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path


def forked(work: Callable[[], object], log: Path) -> int:
    """The id of a child that does `work`; its exit status is 0, or 1 after an exception."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        work()
        status = 0
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def status_of(child: int, limit: float = 300.0) -> int:
    """The exit status of a child; a hang is an error."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("hangs")


def killed_until_done(work: Callable[[], object], longest: float, log: Path, kills: int) -> int:
    """How often `work` was killed, at most `kills` times, before it came to its end."""
    for count in range(kills + 1):
        child = forked(work, log)
        if count < kills:
            time.sleep(random.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        status = status_of(child)
        if status != -signal.SIGKILL:
            assert status == 0, log.read_text()
            return count
    raise AssertionError("never ended")


def timed(work: Callable[[], object], log: Path) -> float:
    began = time.monotonic()
    assert status_of(forked(work, log)) == 0, log.read_text()
    return time.monotonic() - began
