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
from bnrun.conformance.draws import DrawsFunction, measure_draws
from bnrun.conformance.measurement import Build, EstimatorFunction, Measurement, measure
from bnrun.conformance.problems import Problem
from bnrun.core.laws import NoiseLaw
from bnrun.core.neurons import DBN, SBN, BinaryNeuron, Neuron
from bnrun.run.build import build_estimator

NEURONS: dict[str, type[BinaryNeuron]] = {"sbn": SBN, "dbn": DBN}

SLOPES: dict[str, float] = {"logistic": 1.0, "normal": 0.55, "uniform": 0.16}
"""Of the neuron, so that the noise of each law has the standard deviation of the logistic one, 1.8,
to which the logits of the nets fit."""


@dataclasses.dataclass(frozen=True)
class Target:
    """What to check: its name, how to build it, for which neuron, and what it claims."""

    name: str
    build: Build
    neuron: BinaryNeuron
    claims_unbiased: bool

    def measure(self, problem: Problem) -> Measurement:
        """Its gradients on a problem."""
        return measure(self.build, problem, self.neuron)


@dataclasses.dataclass(frozen=True)
class DrawsTarget:
    """A function to check that returns gradient draws by itself: its name, and what it claims."""

    name: str
    function: DrawsFunction
    claims_unbiased: bool

    def measure(self, problem: Problem) -> Measurement:
        """Its gradients on a problem."""
        return measure_draws(self.function, problem)


def load(
    name: str,
    fields: Sequence[str],
    neuron: str = "sbn",
    config_dir: Path | None = None,
    noise: NoiseLaw = "logistic",
) -> Target | DrawsTarget:
    """The estimator called `name`, with `fields` (key=value) set.

    A name with a colon is file.py:Class or module:Class, one with a dot is module.Class, both
    searched in the current folder; any other name is a choice of configs/estimator. Instead of an
    estimator it may be a function of draws (logits, loss, draws, seed).
    Raises UserError for a mistake in the words, and whatever the user's own code raises.
    """
    if ":" in name or "." in name:
        return target_of(name, _member(name), _values(fields), neuron, noise)
    return _target(name, configured(name, fields, config_dir), neuron, noise)


def target_of(
    name: str,
    member: Any,
    values: dict[str, Any],
    neuron: str = "sbn",
    noise: NoiseLaw = "logistic",
) -> Target | DrawsTarget:
    """What to check for an object: an estimator's class, or a function of either kind.

    values  fields of the class, or keywords of the function

    Raises UserError if it is neither.
    """
    if not callable(member):
        kind = type(member).__name__
        raise UserError(f"{name} is of type {kind}, not a class or a function")
    if inspect.isclass(member):
        if inspect.isabstract(member):
            raise UserError(
                f"{name} is abstract: give it a __call__(self, logits, downstream, noise)"
            )
        return _target(name, _constructor(name, member, values), neuron, noise)
    if hasattr(member, "neuron"):
        raise UserError(f"{name} is an estimator for one neuron: check its class, or its name")
    function = partial(member, **values) if values else member
    if _takes(function, 4) and not _takes(function, 3):
        if neuron != "sbn":
            raise UserError(f"--neuron={neuron}: {name} returns draws of an SBN, leave it out")
        if noise != "logistic":
            raise UserError(
                f"--noise={noise}: {name} returns draws of an SBN with logistic noise, leave it out"
            )
        return DrawsTarget(name, function, bool(getattr(member, "unbiased", False)))
    return _target(name, lambda neuron: function, neuron, noise)


def _takes(function: Callable[..., Any], arguments: int) -> bool:
    """Whether a function can be called with this number of arguments."""
    try:
        inspect.signature(function).bind(*range(arguments))
    except (TypeError, ValueError):
        return False
    return True


def _target(name: str, build: Build, neuron: str, noise: NoiseLaw) -> Target:
    if neuron not in NEURONS:
        raise UserError(
            f"--neuron={neuron}: not a binary neuron, use one of {', '.join(NEURONS)} (others "
            f"are differentiable and need no estimator)"
        )
    if noise not in SLOPES:
        raise UserError(f"--noise={noise}: not a law of noise, use one of {', '.join(SLOPES)}")
    binary = NEURONS[neuron](noise=noise, slope=SLOPES[noise])
    try:
        estimator = build(binary)
    except (ValueError, HydraException) as error:
        raise UserError(sentence(error)) from error
    _check_signature(name, estimator)
    claim = bool(getattr(estimator, "unbiased", False))
    return Target(name, build, binary, claim)


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


def _member(name: str) -> Any:
    place, _, attribute = name.rpartition(":" if ":" in name else ".")
    member = getattr(_module(place), attribute, None)
    if member is None:
        raise UserError(f"{name}: {place} has no {attribute}")
    return member


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
