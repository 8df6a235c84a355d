"""A sweep of 40 jobs that a cluster disturbs, and its comparison with the sequential sweep."""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import assert_equal_runs

logging.getLogger("tensorboard").setLevel(logging.ERROR)  # resumed runs have several files

JOBS, LONG_JOBS = 40, 4
# Jobs of a second, and four that take longer than the shortest time limit of Slurm.
EXPERIMENT = """# @package _global_
model: {{hidden: [6]}}
trainer: {{log_every: 1000, evaluate_every: 100.0, evaluate_examples: 100}}
seeds: [3, 7]
checkpoint: {{every_seconds: 2}}
hydra:
  sweeper:
    grids:
      - estimator: st,arm,disarm,reinforce_nvil
        optimizer.lr: 0.1,0.2,0.3
        trainer.batch_size: 20,50,100
        trainer.steps: 30
      - estimator: arm,reinforce_nvil
        optimizer.lr: 0.1,0.3
        trainer.steps: {steps}
"""


class FortyJobs:
    """The sweep, in folders of its own.

    folder  which holds the outputs of both sweeps
    steps   of the long jobs
    """

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder = folder
        (folder / "own" / "experiment").mkdir(parents=True)
        (folder / "own" / "experiment" / "forty.yaml").write_text(EXPERIMENT.format(steps=steps))

    def start(
        self, output: str, *words: str, environment: Mapping[str, str] = os.environ
    ) -> subprocess.Popen[str]:
        """Start a sweep into `output`, a path from `folder`; what it prints is added to a log."""
        command = [sys.executable, "-m", "bnrun", "-m", f"--config-dir={self.folder / 'own'}"]
        command += ["experiment=forty", f"output={self.folder / output}", "name=s", *words]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**environment, "OMP_NUM_THREADS": "1"},
            stdout=self._log(output).open("a"),
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finished(self, output: str) -> set[str]:
        """Names of the runs that have a result."""
        return {path.parent.name for path in (self.folder / output).glob("s/*/result.json")}

    def log(self, output: str) -> str:
        return self._log(output).read_text()

    def _log(self, output: str) -> Path:
        return self.folder / f"{output.strip('/').replace('/', '-')}.log"

    def assert_equal(self, first: str, second: str) -> None:
        """All runs of both sweeps are equal to the bit, except for wall times and the receipt."""
        names = self.finished(first)
        assert len(names) == JOBS
        assert self.finished(second) == names
        for name in names:
            assert_equal_runs(self.folder / first / "s" / name, self.folder / second / "s" / name)
