"""Disks that fill up or become read-only."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from fault_kinds.children import forked, status_of, timed
from fault_kinds.small_run import OFTEN, RUN, only
from runs import assert_equal_runs, bnrun


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k"]
    subprocess.run(["mount", *options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def full_disk(folder: Path, times: int) -> str:
    log = folder / "log"
    timed(lambda: bnrun(folder / "uninterrupted", *RUN), log)
    need = sum(f.stat().st_size for f in only(folder / "uninterrupted").rglob("*") if f.is_file())
    for number in range(times):
        disk = folder / f"disk{number}"
        with small_disk(disk, 16 + need * number // times // 1024):
            assert status_of(forked(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)) == 1
            assert "No space left" in log.read_text().splitlines()[-1], log.read_text()
            subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
            timed(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)
            assert_equal_runs(only(folder / "uninterrupted"), only(disk / "s"))
    return f"{times} disks full at different moments: one sentence, then equal once there is room"


def read_only(folder: Path, times: int) -> str:
    log = folder / "log"
    longest = timed(lambda: bnrun(folder / "uninterrupted", *RUN), log)
    refused = 0
    for number in range(times):
        disk = folder / f"disk{number}"
        with small_disk(disk, 20_000):
            child = forked(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)
            time.sleep(random.uniform(0.3, longest))
            os.kill(child, signal.SIGKILL)
            status_of(child)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            if not list(disk.glob("s/*/result.json")):
                assert status_of(forked(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)) == 1
                assert "Read-only" in log.read_text().splitlines()[-1], log.read_text()
                refused += 1
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            timed(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)
            assert_equal_runs(only(folder / "uninterrupted"), only(disk / "s"))
    return f"{refused} runs met a read-only folder: one sentence, then equal"
