"""A sweep before it begins: its jobs, which are done, and which cannot be."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from bnrun.config.errors import MISTAKES, sentence
from bnrun.config.settings import Settings
from bnrun.recording.result import RESULT, read_result
from bnrun.run.build import build_estimator, build_part, rehearse_rates
from bnrun.run.checkpoint import CHECKPOINT

Status = Literal["done", "unfinished", "missing", "refused"]


@dataclass(frozen=True)
class Job:
    """One combination of a sweep, as it stands before the sweep begins."""

    overrides: list[str]
    config: dict[str, Any]
    folder: Path
    status: Status
    reason: str = ""

    @property
    def length(self) -> tuple[str, float]:
        """How long it is to go on: a unit and its number."""
        trainer = self.config["trainer"]
        if trainer["steps"] is not None:
            return "step", float(trainer["steps"])
        return "epoch", float(trainer["epochs"])

    @property
    def done(self) -> bool:
        """Whether it has a result now."""
        return _is_done(self.folder)


def examined(
    overrides: Sequence[Sequence[str]], compose: Callable[[Sequence[str]], DictConfig]
) -> list[Job]:
    """Every job with its folder and its status; all is built but the data and the net.

    Data are not read and no device is asked for: they may be on other machines.

    `compose` gives the whole config of a job, hydra node included, from its overrides. One config
    at a time is held, for that of a job takes 100 times the memory of its values.
    """
    checked: dict[str, str] = {}
    jobs: list[Job] = []
    folders: set[Path] = set()
    for words in overrides:
        config = compose(words)
        folder = Path(config.hydra.sweep.dir, config.hydra.sweep.subdir).absolute()
        container = _plain(config)
        reason = _settings_mistake(container) or _mistake_in_parts(config, container, checked)
        if not reason and folder in folders:
            reason = "the same run as a job before, for they differ in nothing that changes results"
        folders.add(folder)
        status: Status = "refused" if reason else _status(folder)
        jobs.append(Job(list(words), container, folder, status, reason))
    return jobs


def _plain(config: DictConfig) -> dict[str, Any]:
    keys = [str(key) for key in config if key != "hydra"]
    container = OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _settings_mistake(container: dict[str, Any]) -> str:
    try:
        Settings.model_validate(container)
    except MISTAKES as error:
        return sentence(error)
    return ""


def _mistake_in_parts(config: DictConfig, container: dict[str, Any], seen: dict[str, str]) -> str:
    """The first mistake in a job's parts; `seen` has what was found for the values before."""
    builders: dict[tuple[str, ...], Callable[[], object]] = {
        ("estimator", "layers"): lambda: [
            build_estimator(node) for node in (config.estimator, *config.layers.values())
        ],
        ("optimizer", "scheduler"): lambda: rehearse_rates(config),
        ("model",): lambda: build_part(config, "model"),
        ("task",): lambda: build_part(config, "task"),
        ("dataset",): lambda: build_part(config, "dataset"),
    }
    for groups, build in builders.items():
        values = json.dumps([groups, [container[group] for group in groups]])
        if values not in seen:
            seen[values] = _mistake(build)
        if seen[values]:
            return seen[values]
    return ""


def _mistake(build: Callable[[], object]) -> str:
    try:
        build()
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
