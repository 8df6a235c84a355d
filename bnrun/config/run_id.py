"""The stable name of a run: readable choices, and a hash of everything that affects its results.

A config here is resolved: plain values, with "choices" (group -> name).
"""

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
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
    "dataset._convert_",
    "trainer.capture",
)
"""Keys that do not affect results. Where a dataset lies does not, because its checksums do."""

ADDED = {
    "dataset.augment": {"crop": 0, "flip": False},
    "neuron.noise": "logistic",
    "model.weights": "real",
    "trainer.compile": False,
    "nested": True,
}
"""Keys that older runs lack, with the value that changes nothing: it leaves the hash as it was. An
estimator and a layer have a copy of the neuron, to which it applies too."""

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
    trainer = config.get("trainer")
    if not isinstance(trainer, Mapping) or not {"epochs", "steps"} <= trainer.keys():
        raise ValueError(f"trainer={trainer}: trainer.epochs or trainer.steps is missing")
    head = [str(config["choices"].get(group)) for group in NAMED]
    choices = config["choices"]
    rest = sorted(_normalized(word, choices) for word in overrides if not _is_omitted(word))
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
    for key, unchanged in ADDED.items():
        for node in _mappings(values):
            _remove(node, key, unchanged)
    if (values.get("trainer") or {}).get("steps") is not None:
        _remove(values, "trainer.epochs")  # which a number of steps overrides
    return values


def _mappings(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A config, and all that is nested in it."""
    yield node
    for value in list(node.values()):
        if isinstance(value, dict):
            yield from _mappings(value)


def choice_name(group: str, name: Any) -> Any:
    """The name of a choice, however it is written: st, st.yaml and ./st are the same file."""
    if not isinstance(name, str):
        return name
    folder = "/" + group.partition("@")[0]
    path = posixpath.normpath(posixpath.join(folder, name))
    return posixpath.relpath(path, folder).removesuffix(".yaml").removesuffix(".yml")


def _normalized(override: str, choices: Mapping[str, Any]) -> str:
    """The override as Hydra's sweeps write it: 1e-3 becomes 0.001, True true, ++key key."""
    key, sign, value = override.partition("=")
    key = key.lstrip("+")
    if key in choices:
        return f"{key}{sign}{choice_name(key, value)}"
    if value.lower() in ("true", "false", "null"):
        return f"{key}{sign}{value.lower()}"
    if re.fullmatch(r"[-+]?[0-9]+", value):
        return f"{key}{sign}{int(value)}"
    try:
        return f"{key}{sign}{float(value)}"
    except ValueError:
        return f"{key}{sign}{value}"


def _is_omitted(override: str) -> bool:
    """Whether the name says it elsewhere, or does not need it."""
    key = override.lstrip("+~").split("=")[0].split("@")[0]
    return key in NAMED or any(
        key == name or key.startswith(name + ".") for name in (*IGNORED, *LENGTH)
    )


_ANY = object()


def _remove(config: dict[str, Any], key: str, value: Any = _ANY) -> None:
    """Remove the key if it is there, and has this value."""
    *parents, last = key.split(".")
    node: Any = config
    for name in parents:
        node = node.get(name) if isinstance(node, dict) else None
    if isinstance(node, dict) and (value is _ANY or node.get(last) == value):
        node.pop(last, None)
