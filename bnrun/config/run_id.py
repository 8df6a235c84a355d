"""The stable name of a run: readable choices and a hash of what decides its results."""

import hashlib
import json
import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

NAMED = ("neuron", "estimator", "dataset", "model")
"""Groups whose choice stands at the head of the name."""

IGNORED = (
    "name",
    "output",
    "device",
    "resume",
    "recorder",
    "checkpoint",
    "sweep",
    "budget",
    "budgets",
    "hydra",
    "dataset.root",
    "dataset.folders",
    "dataset.mirrors",
    "trainer.capture",
)
"""What does not change results: a dataset's checksums say what is in its files."""

LENGTH = ("trainer.epochs", "trainer.steps")
"""How long a run goes on; stands at the end of its name, outside the hash."""


def study(name: str) -> str:
    """The name of a study's folder, which cannot lie outside the folder of all studies.

    Raises ValueError for a name with other characters, or one that begins with a dot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}", str(name)):
        raise ValueError(
            f"name={name}: use up to 100 letters, digits, _ . + and -, beginning with a letter "
            f"or digit"
        )
    return str(name)


def run_id(config: DictConfig) -> str:
    """E.g. sbn-sigmoid_st-digits-mlp-optimizer.lr=0.1-5c7a91be-20epochs, from a whole config.

    Runs that differ in their length alone have the same hash, so that one may go on from another.
    """
    choices = config.hydra.runtime.choices
    head = [str(choices[group]) for group in NAMED]
    rest = sorted(_respelt(word) for word in config.hydra.overrides.task if not _said(word))
    readable = re.sub(r"[^A-Za-z0-9_.=+-]+", "_", "-".join([*head, *rest]))
    steps = config.trainer.steps
    length = f"{config.trainer.epochs}epochs" if steps is None else f"{steps}steps"
    # What is no number is refused later; here it must not make a folder elsewhere.
    return f"{readable[:120]}-{scientific_hash(config)}-{re.sub('[^A-Za-z0-9]+', '_', length)}"


def scientific_hash(config: DictConfig) -> str:
    """Eight hexadecimal digits for all that could change the curves of a run but its length."""
    container = scientific(config)
    for key in LENGTH:
        _remove(container, key.split("."))
    text = json.dumps(container, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def scientific(config: DictConfig) -> dict[str, Any]:
    """The config without what cannot change results."""
    container = OmegaConf.to_container(_without_hydra(config), resolve=True)
    assert isinstance(container, dict)
    for key in IGNORED:
        _remove(container, key.split("."))
    return {str(key): value for key, value in container.items()}


def _without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _respelt(override: str) -> str:
    """With numbers as Hydra's sweeps write them, so that 1e-3 alone is the 0.001 of a sweep."""
    key, sign, value = override.partition("=")
    if re.fullmatch(r"[-+]?[0-9]+", value):
        return override
    try:
        return f"{key}{sign}{float(value)}"
    except ValueError:
        return override


def _said(override: str) -> bool:
    key = override.lstrip("+~").split("=")[0].split("@")[0]
    return key in NAMED or any(
        key == name or key.startswith(name + ".") for name in (*IGNORED, *LENGTH)
    )


def _remove(container: dict[Any, Any], path: list[str]) -> None:
    *parents, last = path
    for name in parents:
        container = container.get(name) or {}
    container.pop(last, None)
