"""The stable name of a run: readable choices, and a hash of everything that affects its results.

A config here is resolved: plain values, with "choices" (group -> name).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

NAMED = ("neuron", "estimator", "dataset", "model")
"""Groups whose choice starts the name."""

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
"""Keys that do not affect results. Where a dataset lies does not, because its checksums do."""

LENGTH = ("trainer.epochs", "trainer.steps")
"""How long a run trains: at the end of its name, outside the hash."""


def study(name: str) -> str:
    """The name of a study's folder, which must stay inside the folder of all studies.

    Raises ValueError for other characters, or if the name begins with a dot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}", str(name)):
        raise ValueError(
            f"name={name}: use up to 100 letters, digits, _ . + and -, beginning with a letter "
            f"or digit"
        )
    return str(name)


def run_id(config: Mapping[str, Any], overrides: Sequence[str]) -> str:
    """E.g. sbn-sigmoid_st-digits-mlp-optimizer.lr=0.1-5c7a91be-20epochs.

    Runs that differ only in their length share the hash, so that one can resume from another.

    overrides  the words of the command line
    """
    trainer = config["trainer"]
    if not isinstance(trainer, Mapping) or not {"epochs", "steps"} <= trainer.keys():
        raise ValueError(f"trainer={trainer}: trainer.epochs or trainer.steps is missing")
    head = [str(config["choices"].get(group)) for group in NAMED]
    rest = sorted(_normalized(word) for word in overrides if not _is_omitted(word))
    readable = re.sub(r"[^A-Za-z0-9_.=+-]+", "_", "-".join([*head, *rest]))
    epochs, steps = trainer["epochs"], trainer["steps"]
    length = f"{epochs}epochs" if steps is None else f"{steps}steps"
    # A length that is not a number is refused later; until then it must not name another folder.
    return f"{readable[:120]}-{scientific_hash(config)}-{re.sub('[^A-Za-z0-9]+', '_', length)}"


def scientific_hash(config: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of everything that affects a run's curves, except its length."""
    values = scientific(config)
    for key in LENGTH:
        _remove(values, key)
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def scientific(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the config without the keys that do not affect results."""
    values = deepcopy(dict(config))
    for key in (*IGNORED, "choices"):
        _remove(values, key)
    return values


def _normalized(override: str) -> str:
    """The override with its number as Hydra's sweeps write it: 1e-3 becomes 0.001."""
    key, sign, value = override.partition("=")
    if re.fullmatch(r"[-+]?[0-9]+", value):
        return override
    try:
        return f"{key}{sign}{float(value)}"
    except ValueError:
        return override


def _is_omitted(override: str) -> bool:
    """Whether the name says it elsewhere, or does not need it."""
    key = override.lstrip("+~").split("=")[0].split("@")[0]
    return key in NAMED or any(
        key == name or key.startswith(name + ".") for name in (*IGNORED, *LENGTH)
    )


def _remove(config: dict[str, Any], key: str) -> None:
    *parents, last = key.split(".")
    node: Any = config
    for name in parents:
        node = node.get(name) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node.pop(last, None)
