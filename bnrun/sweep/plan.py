"""Planning a sweep: its jobs, which of them are done, and which cannot be run."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bnrun.config.errors import MISTAKES
from bnrun.config.sentence import sentence
from bnrun.config.settings import Settings
from bnrun.recording.result import RESULT, read_result
from bnrun.run.build import build
from bnrun.run.checkpoint import CHECKPOINT
from bnrun.sweep.configs import JobConfig
from bnrun.training.rates import rehearse

Status = Literal["done", "unfinished", "missing", "refused"]


@dataclass(frozen=True)
class Job:
    """One combination of a sweep, with its status when the sweep was planned."""

    overrides: list[str]
    config: dict[str, Any]
    folder: Path
    status: Status
    reason: str = ""

    @property
    def length(self) -> tuple[str, float]:
        """How long the job trains: a unit and a number."""
        trainer = self.config["trainer"]
        if trainer["steps"] is not None:
            return "step", float(trainer["steps"])
        return "epoch", float(trainer["epochs"])

    @property
    def done(self) -> bool:
        """Whether the job has a result now."""
        return _is_done(self.folder)


def plan_jobs(
    overrides: Sequence[Sequence[str]], compose: Callable[[Sequence[str]], JobConfig]
) -> list[Job]:
    """Every job with its folder and its status; everything is built except the data and the net.

    Data are not read and no device is needed, because they may be on other machines.

    compose  from the overrides of a job to its config
    """
    checked: dict[str, str] = {}
    jobs: list[Job] = []
    folders: set[Path] = set()
    for words in overrides:
        config, folder = compose(words)
        reason = _mistake(lambda config=config: Settings.model_validate(config))  # type: ignore[misc]
        reason = reason or _mistake_in_parts(config, checked)
        if not reason and folder in folders:
            reason = (
                "duplicate of an earlier job: they differ only in options that do not affect "
                "results"
            )
        folders.add(folder)
        status: Status = "refused" if reason else _status(folder)
        jobs.append(Job(list(words), config, folder, status, reason))
    return jobs


def _mistake_in_parts(config: dict[str, Any], checked: dict[str, str]) -> str:
    """The first mistake in a job's parts; `checked` caches it per values of the parts."""
    layers = [f"layers.{number}" for number in config["layers"]]
    builders: dict[tuple[str, ...], Callable[[], object]] = {
        ("estimator", "layers"): lambda: [build(config, key) for key in ("estimator", *layers)],
        ("optimizer", "scheduler"): lambda: rehearse(
            build(config, "optimizer"), build(config, "scheduler")
        ),
        ("model",): lambda: build(config, "model"),
        ("task",): lambda: build(config, "task"),
        ("dataset",): lambda: build(config, "dataset"),
    }
    for groups, check in builders.items():
        values = json.dumps([groups, [config[group] for group in groups]])
        if values not in checked:
            checked[values] = _mistake(check)
        if checked[values]:
            return checked[values]
    return ""


def _mistake(check: Callable[[], object]) -> str:
    try:
        check()
    except MISTAKES as error:
        return sentence(error)
    return ""


def _status(folder: Path) -> Status:
    if _is_done(folder):
        return "done"
    return "unfinished" if (folder / CHECKPOINT).exists() else "missing"


def _is_done(folder: Path) -> bool:
    try:
        read_result(folder / RESULT)
    except ValueError:
        return False
    return True
