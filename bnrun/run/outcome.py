"""How a run ended: from its last values and its config to the content of result.json."""

import math
import platform
from functools import cache
from importlib.metadata import version
from typing import Any

from bnrun.recording.tags import ScoreName


def scores_of(scalars: dict[str, list[float]]) -> dict[str, Any]:
    """The scores among the scalars of all tags: split -> score -> way -> one value per seed."""
    scores: dict[str, Any] = {}
    for tag, values in scalars.items():
        name = ScoreName.parse(tag)
        if name is not None:
            scores.setdefault(name.split, {}).setdefault(name.score, {})[name.way] = values
    return scores


def means_of(scores: dict[str, Any]) -> dict[str, float]:
    """Tag of each final score -> mean over the seeds whose score is finite, NaN if none is."""
    return {
        ScoreName(split, score, way).hparam: _finite_mean(values)
        for split in ("validation", "test")
        for score, ways in scores.get(split, {}).items()
        for way, values in ways.items()
    }


def _finite_mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def hyperparameters(config: dict[str, Any]) -> dict[str, Any]:
    """What the HParams tab compares: the choices, and the values that affect training."""
    shown = {group: config[group] for group in ("neuron", "estimator", "model", "optimizer")}
    values = flat(shown | {"trainer": config["trainer"]})
    plain = {
        key: value
        for key, value in values.items()
        if not key.startswith("estimator.neuron") and not key.split(".")[-1].startswith("_")
    }
    return config["choices"] | plain | {"seeds": config["seeds"]}


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
