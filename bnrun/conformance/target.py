"""From the words of bnrun-check to a function that builds the estimator."""

import dataclasses
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import HydraException

from bnrun.config.compose import EstimatorConfig, parsed
from bnrun.config.errors import MISTAKES, UserError
from bnrun.config.paths import import_from_here
from bnrun.config.sentence import sentence
from bnrun.conformance.measurement import Build, EstimatorFunction
from bnrun.core.neurons import DBN, SBN, BinaryNeuron, Neuron
from bnrun.run.build import build_estimator

NEURONS: dict[str, type[BinaryNeuron]] = {"sbn": SBN, "dbn": DBN}


@dataclasses.dataclass(frozen=True)
class Target:
    """What to check: its name, how to build it, for which neuron, and what it claims."""

    name: str
    build: Build
    neuron: type[BinaryNeuron]
    claims_unbiased: bool


def load(
    name: str, fields: Sequence[str], neuron: str = "sbn", config_dir: Path | None = None
) -> Target:
    """The estimator called `name`, with `fields` (key=value) set.

    A name with a colon is file.py:Class or module:Class, one with a dot is module.Class, both
    searched in the current folder; any other name is a choice of configs/estimator.
    Raises UserError for a mistake in the words, and whatever the user's own code raises.
    """
    if neuron not in NEURONS:
        raise UserError(
            f"--neuron={neuron}: not a binary neuron, use one of {', '.join(NEURONS)} (others "
            f"are differentiable and need no estimator)"
        )
    if ":" in name or "." in name:
        build = _own(name, fields)
    else:
        build = configured(name, fields, config_dir)
    try:
        estimator = build(NEURONS[neuron]())
    except (ValueError, HydraException) as error:
        raise UserError(sentence(error)) from error
    _check_signature(name, estimator)
    claim = bool(getattr(estimator, "unbiased", False))
    return Target(name, build, NEURONS[neuron], claim)


def _check_signature(name: str, estimator: EstimatorFunction) -> None:
    if not callable(estimator):
        raise UserError(
            f"{name}: its objects are not callable, write __call__(self, logits, downstream, noise)"
        )
    try:
        inspect.signature(estimator).bind("logits", "downstream", "noise")
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{name}: cannot be called with (logits, downstream, noise): {error}"
        ) from error


def configured(name: str, fields: Sequence[str] = (), config_dir: Path | None = None) -> Build:
    """A function that builds configs/estimator/<name>.yaml for any neuron.

    A field with @ chooses a part of the estimator, e.g. estimator@estimator.first=rloo.
    Raises UserError for a name or a field that does not exist.
    """
    import_from_here()  # a yaml of --config-dir may name a class in the working folder
    parts = [field for field in fields if "@" in field]
    values = _values([field for field in fields if field not in parts])
    try:
        config = EstimatorConfig([f"estimator={name}", *parts], values, config_dir)
    except MISTAKES as error:
        raise UserError(sentence(error)) from error
    return lambda neuron: build_estimator(config.values(neuron))


def _own(name: str, fields: Sequence[str]) -> Build:
    place, _, attribute = name.rpartition(":" if ":" in name else ".")
    module = _module(place)
    member = getattr(module, attribute, None)
    if member is None:
        raise UserError(f"{name}: {place} has no {attribute}")
    if not callable(member):
        kind = type(member).__name__
        raise UserError(f"{name} is of type {kind}, not a class or a function")
    values = _values(fields)
    if not inspect.isclass(member):
        return lambda neuron: partial(member, **values) if values else member
    if inspect.isabstract(member):
        raise UserError(f"{name} is abstract: give it a __call__(self, logits, downstream, noise)")
    return _constructor(name, member, values)


def _module(place: str) -> Any:
    if place.endswith(".py"):
        path = Path(place).resolve()
        if not path.is_file():
            raise UserError(f"{place}: no such file")
        sys.path.insert(0, str(path.parent))
        # Under a name of its own, because its bare name may be that of an installed module.
        specification = importlib.util.spec_from_file_location(f"checked_{path.stem}", path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[module.__name__] = module
        specification.loader.exec_module(module)
        return module
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        # A module that exists may import one that does not; that is not a wrong name.
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise
        raise UserError(
            f"{place}: no such module from {Path.cwd()}; a file is written path/to/file.py:Class"
        ) from error


def _values(fields: Sequence[str]) -> dict[str, Any]:
    for word in fields:
        if "=" not in word:
            raise UserError(f"{word}: not of the form key=value")
    return parsed(fields)


def _constructor(name: str, cls: Callable[..., Any], values: dict[str, Any]) -> Build:
    signature = inspect.signature(cls)
    takes_neuron = "neuron" in signature.parameters

    def build(neuron: Neuron) -> EstimatorFunction:
        given = values | ({"neuron": neuron} if takes_neuron else {})
        try:
            signature.bind(**given)
        except TypeError as error:
            fields = ", ".join(signature.parameters) or "none"
            raise UserError(f"{name}: {error}; its fields: {fields}") from error
        estimator: EstimatorFunction = cls(**given)
        return estimator

    return build
