"""A million steps, during which memory must not grow."""

import contextlib
import io
import resource
import time
from pathlib import Path
from unittest import mock

from runs import bnrun


def long_run(folder: Path, steps: int) -> str:
    words = ["model.hidden=[2]", "seeds=1", "trainer.batch_size=1", f"trainer.steps={steps}"]
    words += ["trainer.log_every=10000", "trainer.evaluate_every=40", "checkpoint.every_seconds=5"]
    words += ["trainer.evaluate_examples=50", "estimator=st"]
    memory = []

    from bnrun.run.keeper import Keeper

    genuine = Keeper.after_step

    def after_step(keeper: Keeper) -> None:
        genuine(keeper)
        if keeper.training.step % (steps // 10) == 0:
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    began = time.monotonic()
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, mock.patch.object(Keeper, "after_step", after_step):
        run = bnrun(folder / "long", *words)
    seconds = time.monotonic() - began
    growth = memory[-1] - memory[0]
    assert growth < 20, memory
    size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) / 2**20
    return (
        f"{steps:,} steps in {seconds:.0f} s: peak memory grew by {growth:.1f} MB after the first "
        f"tenth, files {size:.1f} MB"
    )
