"""bnrun in a process of its own."""

import os
import subprocess
import sys

TINY = ["model.hidden=[6]", "trainer.steps=4", "trainer.log_every=2", "seeds=[3,7]"]


def start(folder, *words, **options):
    environment = {name: value for name, value in os.environ.items() if name != "BNRUN_DATA"}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "bnrun", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def bnrun(folder, *words):
    process = start(folder, *words)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err
