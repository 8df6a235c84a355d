"""Sweeps of small jobs as whole processes, against the training steps alone."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from ours import contender, training
from processes_started import BNRUN

from bnrun.data.digits import Digits
from bnrun.models.mlp import MLP

JOBS = 40
SEEDS = 3
EPOCHS = 20
BATCH = 100

SWEEP = [
    "-m",
    "dataset=digits",
    "optimizer=adam",
    f"seeds={SEEDS}",
    f"trainer.epochs={EPOCHS}",
    f"trainer.batch_size={BATCH}",
    "model.hidden=[200]",
    "optimizer.lr=" + ",".join(f"{1e-3 * (1 + n / JOBS):.6g}" for n in range(JOBS)),
]
LAUNCHERS = {
    "one after another, one process": [],
    "joblib, two processes": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
}


def sweeps() -> Iterator[tuple[str, float, float, float]]:
    """How jobs are launched; wall seconds of the sweep, of its steps, and of its evaluations."""
    data = Digits().load()
    steps = EPOCHS * (len(data.train.targets) // BATCH)
    for name, words in LAUNCHERS.items():
        run = training(data, SEEDS, MLP(hidden=(200,)))
        alone = contender("", run)
        alone.advance(steps)
        start = perf_counter()
        for _ in range(JOBS):
            alone.advance(steps)
        stepped = perf_counter()
        for _ in range(JOBS * (EPOCHS + 1)):
            run.observed()
        parts = stepped - start, perf_counter() - stepped
        yield name, _seconds([*SWEEP, *words]), *parts


def _seconds(words: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        done = subprocess.run([*BNRUN, *words], cwd=folder, capture_output=True, text=True)
        whole = perf_counter() - start
        if done.returncode:
            raise RuntimeError(done.stderr)
        results = list(Path(folder).glob("outputs/*/*/result.json"))
        assert len(results) == JOBS, f"{len(results)} results"
    return whole
