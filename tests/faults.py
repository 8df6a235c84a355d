"""Breaks runs in many ways and checks that no work is lost: `python tests/faults.py [share]`.

`share` scales how often each fault is tried (1.0: in full). It prints the table of
docs/reliability.md. Linux only, because it forks; disks that fill or become read-only need root.
"""

import contextlib
import io
import logging
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from fault_kinds.bad_words import bad_words
from fault_kinds.damage import cut, damaged, flip
from fault_kinds.disks import full_disk, read_only
from fault_kinds.kills import KINDS, kills, pool_kills, sweep_kills
from fault_kinds.long_run import long_run
from fault_kinds.small_run import RUN
from runs import bnrun


def main() -> None:
    """Try each fault and print the table."""
    torch.set_num_threads(1)
    random.seed(0)
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        # Imports all that a run needs, so that the children which are forked have it already.
        bnrun(Path(folder), *RUN, "trainer.steps=2")
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    wanted = sys.argv[2:]

    def n(times: int) -> int:
        return max(1, round(times * share))

    faults: dict[str, Callable[[Path], str]] = {
        "killed at random moments": lambda f: kills(f, n(100)),
        **{
            f"{kind}, killed at random moments": lambda f, w=words: kills(f, n(20), *w)
            for kind, words in KINDS.items()
        },
        "sweep killed": lambda f: sweep_kills(f, n(10)),
        "joblib worker killed, resume=force": lambda f: pool_kills(f, n(10)),
        "disk full": lambda f: full_disk(f, n(20)),
        "folder read-only": lambda f: read_only(f, n(10)),
        "checkpoint with a flipped byte": lambda f: damaged(f, n(100), flip),
        "checkpoint cut": lambda f: damaged(f, n(50), cut("checkpoint.pt", 1, 10**9)),
        "metrics file torn": lambda f: damaged(f, n(20), cut("metrics.csv", 1, 300)),
        "event file torn": lambda f: damaged(f, n(20), cut("events.*", 1, 300)),
        "clock a day back": lambda f: damaged(f, n(5), lambda run: None, clock=-86400.0),
        "generated command lines": lambda f: bad_words(f, n(1000)),
        "generated config files": lambda f: bad_words(f, n(1000), from_file=True),
        "a long run": lambda f: long_run(f, n(1_000_000)),
    }
    print("| fault | seen |\n|---|---|", flush=True)
    for name, fault in faults.items():
        if wanted and not any(word in name for word in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {name} | {fault(Path(folder))} |", flush=True)


if __name__ == "__main__":
    main()
