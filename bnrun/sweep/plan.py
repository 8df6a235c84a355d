"""Planning a sweep: its jobs, which of them are done, and which cannot be run."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bnrun.config.errors import is_mistake
from bnrun.config.run_id import scientific
from bnrun.config.sentence import sentence
from bnrun.config.settings import Settings, SweepConfig
from bnrun.recording.result import RESULT, read_result
from bnrun.run.checkpoint import CHECKPOINT
from bnrun.run.folder import check_own
from bnrun.run.identity import Loaded, conflict
from bnrun.run.kinds import build
from bnrun.run.limits import step_beyond
from bnrun.run.outcome import flat
from bnrun.sweep.configs import JobConfig
from bnrun.training.rates import rehearse

Status = Literal["done", "unfinished", "missing", "refused"]


@dataclass(frozen=True)
class Job:
    """One combination of a sweep, with its status when the sweep was planned.

    folder  of its run
    study   the folder above
    reason  why it is refused
    """

    overrides: list[str]
    config: dict[str, Any]
    folder: Path
    study: Path
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
    def force(self) -> bool:
        """Whether the job is run even if it has a result."""
        return bool(self.config["resume"] == "force")

    @property
    def done(self) -> bool:
        """Whether the job has a result now."""
        return _is_done(self.folder)

    @property
    def pruned(self) -> bool:
        """Whether its history, as far as it goes, is beyond the limits of the job."""
        limits = SweepConfig.model_validate(self.config).sweep.limits
        try:
            return limits is not None and step_beyond(limits, self.folder) is not None
        except ValueError:
            return False  # The run itself says that its history is damaged.


class Plan(NamedTuple):
    """The jobs of a sweep, each once; and the overrides of those that were listed again."""

    jobs: list[Job]
    repeats: list[list[str]]


def plan_jobs(
    overrides: Sequence[Sequence[str]], compose: Callable[[Sequence[str]], JobConfig]
) -> Plan:
    """Every job with its folder and its status; everything is built except the data and the net.

    Data are not read and no device is needed, because they may be on other machines.

    compose  from the overrides of a job to its config
    """
    checked: dict[str, str] = {}
    loaded: Loaded = {}
    plan = Plan([], [])
    jobs: dict[str, Job] = {}
    folders: set[Path] = set()
    for words in overrides:
        config, folder, study = compose(words)
        run = _canonical([str(study), scientific(_normal(config))])
        earlier = jobs.get(run)
        if earlier is not None and not _differences(earlier.config, config):
            plan.repeats.append(list(words))
            continue
        reason = _mistake(partial(Settings.model_validate, config))
        reason = reason or _mistake(partial(check_own, folder))
        reason = reason or _mistake_in_parts(config, checked)
        if not reason and earlier is not None:
            names = ", ".join(_differences(earlier.config, config))
            reason = f"duplicate of an earlier job: {names} does not affect results"
        elif not reason and folder in folders:
            reason = "its folder is that of an earlier job: leave out hydra.sweep.subdir"
        folders.add(folder)
        status: Status = "refused" if reason else _status(folder)
        if status == "done" and config["resume"] != "force":
            result = read_result(folder / RESULT)
            reason = conflict(config, result, Path.cwd(), loaded, lambda text: None)
            status = "refused" if reason else "done"
        job = Job(list(words), config, folder, study, status, reason)
        jobs.setdefault(run, job)
        plan.jobs.append(job)
    return plan


def _differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """The keys in which two configs differ; the same values by other names do not differ."""
    one, other = flat(_normal(first)), flat(_normal(second))
    keys = dict.fromkeys([*one, *other])
    return [key for key in keys if _canonical(one.get(key)) != _canonical(other.get(key))]


def _normal(config: dict[str, Any]) -> dict[str, Any]:
    """The config without the names of its choices, and with a number of seeds as a list."""
    seeds = config.get("seeds")
    listed = list(range(seeds)) if isinstance(seeds, int) and 0 < seeds <= 10_000 else seeds
    return {k: v for k, v in config.items() if k != "choices"} | {"seeds": listed}


def _canonical(value: Any) -> str:
    """Equal for equal values, however they are written: 1 is 1.0."""
    return json.dumps(_with_whole_numbers(value), sort_keys=True)


def _with_whole_numbers(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _with_whole_numbers(item) for key, item in value.items()}
        case list():
            return [_with_whole_numbers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value


def _mistake_in_parts(config: dict[str, Any], checked: dict[str, str]) -> str:
    """The first mistake in a job's parts; `checked` caches it per values of the parts."""
    layers = [f"layers.{number}" for number in config["layers"]]
    builders: dict[tuple[str, ...], Callable[[], object]] = {
        # Before what contains it, so that a mistake is named by its own key.
        ("neuron",): lambda: build(config, "neuron"),
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
    except Exception as error:
        if not is_mistake(error):
            raise
        return sentence(error)
    return ""


def _status(folder: Path) -> Status:
    if _is_done(folder):
        return "done"
    return "unfinished" if (folder / CHECKPOINT).exists() else "missing"


def _is_done(folder: Path) -> bool:
    try:
        read_result(folder / RESULT)
    except (ValueError, OSError):
        return False
    return True
