"""Whole runs inside a test's process, and their equality to the bit."""

import json
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest
import torch
from same import same
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bnrun.config.compose import composed, resolved
from bnrun.config.run_id import run_id
from bnrun.run.job import run_job
from bnrun.run.keeper import Keeper


def bnrun(study: Path, *words: str) -> Path:
    """Execute a run in this process, in the folder that it has in `study`."""
    config = resolved(composed(words, hydra_node=True))
    folder = study / run_id(config, words)
    folder.mkdir(parents=True, exist_ok=True)
    run_job(config, folder)
    return folder


def assert_equal_runs(first: Path, second: Path) -> None:
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()
    results = [json.loads((run / "result.json").read_text()) for run in (first, second)]
    for result in results:
        # These say when, where and with which files it was run; the code may be edited meanwhile.
        for key in ("seconds", "commit", "receipt"):
            result.pop(key, None)
        for key in ("checkpoint", "output"):
            del result["config"][key]
        result["config"]["choices"].pop("hydra/launcher", None)
    assert results[0] == results[1]
    states = [torch.load(run / "checkpoint.pt", weights_only=True) for run in (first, second)]
    for state in states:
        del state["training"]["seconds"]
    assert same(*states)
    for folder in ["", *sorted(path.name for path in first.glob("seed=*"))]:
        assert points(first / folder) == points(second / folder)


def points(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalar tag -> steps and values that TensorBoard shows, without the measured speed."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith("speed/")
    }


class _Crash(BaseException):
    """Ends a run as a kill does: nothing that catches exceptions sees it."""


def crashed(study: Path, step: int, *words: str) -> Path:
    """The folder of a run that crashes after a step; it is the only one in `study`."""
    genuine = Keeper.after_step

    def after_step(keeper: Keeper) -> None:
        genuine(keeper)
        if keeper.training.step == step:
            raise _Crash

    with mock.patch.object(Keeper, "after_step", after_step), pytest.raises(_Crash):
        bnrun(study, *words)
    return next(study.iterdir())


def resumed(study: Path, words: Sequence[str], step: int) -> Path:
    """A run that crashes after a step, and is resumed from its last checkpoint; its folder."""
    words = [*words, "checkpoint.every_steps=5"]
    crashed(study, step, *words)
    return bnrun(study, *words)
