"""How a run ended: from its last values and its config to the content of result.json."""

import math
import platform
from collections.abc import Collection
from functools import cache
from importlib.metadata import version
from typing import Any

from bnrun.config.run_id import IGNORED
from bnrun.recording.tags import ScoreName


def scores_of(scalars: dict[str, list[float]]) -> dict[str, Any]:
    """The scores among the scalars of all tags: split -> score -> way -> one value per seed."""
    scores: dict[str, Any] = {}
    for tag, values in scalars.items():
        name = ScoreName.parse(tag)
        if name is not None:
            scores.setdefault(name.split, {}).setdefault(name.score, {})[name.way] = values
    return scores


def final_scores(scores: dict[str, Any], goal: ScoreName | None) -> dict[str, float]:
    """Tag of each score that the HParams tab shows -> mean over the seeds with a finite score.

    These are the goal on test in a first column, its other ways on test, all its ways on
    validation, and the other scores on test in the goal's way. NaN if no seed's score is finite.

    goal  on any split; None shows every score
    """
    means = {
        ScoreName(split, score, way): _finite_mean(values)
        for split in ("validation", "test")
        for score, ways in scores.get(split, {}).items()
        for way, values in ways.items()
        if goal is None or score == goal.score or (split, way) == ("test", goal.way)
    }
    first = goal and goal._replace(split="test")
    shown = {name.hparam: mean for name, mean in means.items() if name != first}
    return {first.goal_hparam: means[first]} | shown if first in means else shown


def _finite_mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def hyperparameters(config: dict[str, Any], overridden: Collection[str]) -> dict[str, Any]:
    """What the HParams tab compares: neuron, estimator, and what a command line has chosen.

    Anything else is the same in all runs of a sweep, and so is the number of seeds.

    overridden  keys named on the command line
    """
    choices, values = config["choices"], flat(config)
    shown = {group: choices[group] for group in ("neuron", "estimator")}
    for key in sorted(set(overridden) - {*shown, "seeds"}):
        if key.startswith("hydra") or key.partition(".")[0] in IGNORED or key in IGNORED:
            continue
        if key in choices:
            shown[key] = choices[key]
        elif key in config:
            shown[key] = config[key]
        elif key in values:
            shown[key] = values[key]
    return shown


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    if not isinstance(node, dict):
        return {prefix: node}
    values: dict[str, Any] = {}
    for key, value in node.items():
        values |= flat(value, f"{prefix}.{key}".lstrip("."))
    return values


@cache
def versions() -> dict[str, str]:
    """Package -> version, of the packages that results may depend on."""
    packages = ("bnrun", "torch", "numpy", "hydra-core", "tensorboard")
    return {name: version(name) for name in packages} | {"python": platform.python_version()}
