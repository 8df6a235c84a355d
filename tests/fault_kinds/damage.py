"""Files that are damaged between a crash and the next start."""

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from fault_kinds.children import timed
from fault_kinds.small_run import OFTEN, RUN, only
from runs import assert_equal_runs, bnrun


def crashed(folder: Path) -> Path:
    """A run that ended like a killed one after step 40, with checkpoints of steps 36 and 39."""
    from bnrun.run.keeper import Keeper

    genuine = Keeper.after_step

    def after_step(keeper: Keeper) -> None:
        genuine(keeper)
        if keeper.training.step == 40:
            os._exit(0)

    def work() -> None:
        with mock.patch.object(Keeper, "after_step", after_step):
            bnrun(folder / "crashed", *RUN, OFTEN)

    timed(work, folder / "log")
    return only(folder / "crashed")


def damaged(folder: Path, times: int, damage: Callable[[Path], None], clock: float = 0.0) -> str:
    log = folder / "log"
    timed(lambda: bnrun(folder / "uninterrupted", *RUN), log)
    template = crashed(folder)
    genuine = time.time

    def resumed(study: Path) -> None:
        with mock.patch("time.time", side_effect=lambda: genuine() + clock):
            bnrun(study, *RUN, OFTEN)

    for number in range(times):
        study = folder / f"damaged{number}"
        shutil.copytree(template, study / template.name)
        damage(study / template.name)
        timed(lambda s=study: resumed(s), log)
        assert_equal_runs(only(folder / "uninterrupted"), only(study))
        shutil.rmtree(study)
    return f"{times} times: equal to the uninterrupted one"


def flip(run: Path) -> None:
    content = bytearray((run / "checkpoint.pt").read_bytes())
    content[random.randrange(len(content))] ^= random.randrange(1, 256)
    (run / "checkpoint.pt").write_bytes(content)


def cut(name: str, least: int, most: int) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (path,) = run.glob(name)
        size = path.stat().st_size
        os.truncate(path, size - random.randint(least, min(most, size)))

    return damage
