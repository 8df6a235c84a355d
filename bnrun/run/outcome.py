"""What a run came to: from its last values and its config to the content of result.json."""

import math
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bnrun.recording.tags import ScoreName


def scores_of(scalars: dict[str, list[float]]) -> dict[str, Any]:
    """From tags score/split/way to split -> score -> way -> one value per seed."""
    scores: dict[str, Any] = {}
    for tag, values in scalars.items():
        match tag.split("/"):
            case [score, split, way] if split in ("train", "validation", "test"):
                scores.setdefault(split, {}).setdefault(score, {})[way] = values
            case _:
                pass
    return scores


def means_of(scores: dict[str, Any]) -> dict[str, float]:
    """Tag of a final score -> mean over the seeds whose score is finite, NaN where none is."""
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
    """What the HParams tab compares: the choices, and the values of what trains the net."""
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
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= flat(value, f"{prefix}.{key}".lstrip("."))
    return found


def versions() -> dict[str, str]:
    """Package -> version, of those that results may depend on."""
    packages = ("bnrun", "torch", "numpy", "hydra-core", "tensorboard")
    return {name: version(name) for name in packages} | {"python": platform.python_version()}


@cache
def commit() -> str | None:
    """The commit of the code that runs, with "+" where it has been changed since.

    Found once in a process: what is edited while it runs is not the code that it has loaded.
    """
    home = Path(__file__).resolve().parents[1]
    try:
        told = [
            subprocess.run(
                ["git", "-C", str(home), *words],
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", str(home)))
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return told[0] + ("+" if told[1] else "")
