"""From what the user typed to a way of building the estimator."""

import dataclasses
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bnrun.config.errors import UserError, sentence
from bnrun.config.paths import CONFIGS
from bnrun.conformance.measurement import Build, EstimatorFunction
from bnrun.core.neurons import DBN, SBN, BinaryNeuron, Neuron

NEURONS: dict[str, type[BinaryNeuron]] = {"sbn": SBN, "dbn": DBN}


@dataclasses.dataclass(frozen=True)
class Target:
    """What is checked: its name, how to build it, for which neuron, and what it claims."""

    name: str
    build: Build
    neuron: type[BinaryNeuron]
    claims_unbiased: bool


def load(
    name: str, fields: Sequence[str], neuron: str = "sbn", config_dir: Path | None = None
) -> Target:
    """The estimator that `name` means, with `fields` (key=value) set.

    A name with a colon is file.py:Class or module:Class, one with a dot is module.Class (both
    found from the current folder), any other one is in configs/estimator.
    Raises UserError for what the user got wrong; lets through what the user's own code raises.
    """
    if neuron not in NEURONS:
        raise UserError(
            f"--neuron={neuron}: no binary neuron, use one of {', '.join(NEURONS)} (others have a "
            f"derivative of their own and need no estimator)"
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
    """A way of building configs/estimator/<name>.yaml, for any neuron.

    A field with @ chooses a part of the estimator, e.g. estimator@estimator.first=rloo.
    Raises UserError for a name or field that does not exist.
    """
    parts = [field for field in fields if "@" in field]
    overrides = [f"estimator={name}", *parts]
    if config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{config_dir.resolve()}]")
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            config = compose("config", overrides=overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(sentence(error)) from error
    values = _values([field for field in fields if field not in parts])
    known = [str(key) for key in config.estimator if key != "_target_"]
    for key in values:
        if key not in known:
            raise UserError(f"{key}: {name} has no such field, use one of {', '.join(known)}")
    OmegaConf.set_struct(config, False)
    config.estimator = OmegaConf.merge(config.estimator, values)
    return partial(_instantiated, config)


def _instantiated(config: DictConfig, neuron: Neuron) -> EstimatorFunction:
    # As a config, because every part of the estimator refers to it by ${neuron}.
    cls = type(neuron)
    target = {"_target_": f"{cls.__module__}.{cls.__qualname__}"}
    config.neuron = target | {f.name: getattr(neuron, f.name) for f in dataclasses.fields(neuron)}
    estimator: EstimatorFunction = instantiate(config.estimator, _convert_="all")
    return estimator


def _own(name: str, fields: Sequence[str]) -> Build:
    place, _, attribute = name.rpartition(":" if ":" in name else ".")
    module = _module(place)
    found = getattr(module, attribute, None)
    if found is None:
        raise UserError(f"{name}: {place} has no {attribute}")
    if not callable(found):
        raise UserError(f"{name}: is no class but {type(found).__name__}")
    values = _values(fields)
    if not inspect.isclass(found):
        return lambda neuron: partial(found, **values) if values else found
    if inspect.isabstract(found):
        raise UserError(f"{name}: is abstract, give it a __call__(self, logits, downstream, noise)")
    return _constructor(name, found, values)


def _module(place: str) -> Any:
    if place.endswith(".py"):
        path = Path(place).resolve()
        if not path.is_file():
            raise UserError(f"{place}: no such file")
        sys.path.insert(0, str(path.parent))
        # Not by its bare name, which may be that of an installed module.
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
        # Theirs may lack a module of its own; that is not a wrong name.
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise
        raise UserError(
            f"{place}: no such module from {Path.cwd()}; a file is written path/to/file.py:Class"
        ) from error


def _values(fields: Sequence[str]) -> dict[str, Any]:
    for word in fields:
        if "=" not in word:
            raise UserError(f"{word}: not of the form key=value")
    return cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.from_dotlist(list(fields))))


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
