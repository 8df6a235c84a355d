"""The files of configs/estimator, and what the code says about each."""

import copy
import dataclasses
import importlib
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from docstrings import passages
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from bnrun.config.paths import CONFIGS
from bnrun.conformance.measurement import Build, EstimatorFunction
from bnrun.conformance.problems import Problem, problems
from bnrun.conformance.target import configured
from bnrun.core.neurons import SBN, LawNeuron, Neuron, Real
from bnrun.estimators.base import Estimator
from bnrun.estimators.tools.baselines import Baseline

PROBLEMS = ("1 layer, multilinear", "1 layer, quadratic", "2 layers, cross-entropy, signed")

_MEMBER = r"bnrun\.estimators\.(?!base$)\w+"

Part = Estimator | Baseline


@dataclass(frozen=True)
class Entry:
    """One file of configs/estimator.

    name         of the file, without its suffix
    description  from the first line of the file
    neuron       class of the neuron that it is measured with
    build        neuron -> a new estimator
    """

    name: str
    description: str
    neuron: type[LawNeuron]
    build: Build

    @cached_property
    def estimator(self) -> Estimator:
        """One that was never called."""
        estimator = self.build(self.neuron())
        assert isinstance(estimator, Estimator)
        return estimator

    @property
    def passages(self) -> dict[str, str]:
        """The labelled passages of its class's docstring."""
        return passages(type(self.estimator))

    @property
    def parts(self) -> dict[str, Part]:
        """Those of its fields that are estimators or baselines."""
        values = _fields(self.estimator)
        return {key: value for key, value in values.items() if isinstance(value, Part)}

    @property
    def options(self) -> dict[str, Any]:
        """The values of the config file; those of parts have dotted names."""
        return _options(self.estimator)

    @property
    def neurons(self) -> list[str]:
        """Names in configs/neuron that it and all its parts accept."""
        users = [self.estimator, *(p for p in self.parts.values() if isinstance(p, Estimator))]
        kinds = {path.stem: _class(path) for path in sorted((CONFIGS / "neuron").glob("*.yaml"))}
        return [
            name
            for name, kind in kinds.items()
            if all(issubclass(kind, user.accepts) for user in users)
        ]

    @property
    def learns(self) -> bool:
        """Whether its calls change what later ones return."""
        return self.estimator.frozen() is not self.estimator

    @property
    def family(self) -> ModuleType:
        """The file of bnrun/estimators that holds its class, or the class it derives from."""
        modules = [cls.__module__ for cls in type(self.estimator).__mro__]
        members = [module for module in modules if re.fullmatch(_MEMBER, module)]
        return importlib.import_module(members[-1] if members else modules[0])


def names() -> list[str]:
    """The names of all files of configs/estimator, sorted."""
    return sorted(path.stem for path in (CONFIGS / "estimator").glob("*.yaml"))


def entry(name: str) -> Entry:
    """The entry of configs/estimator/<name>.yaml."""
    path = CONFIGS / "estimator" / f"{name}.yaml"
    start = f"# estimator={name}: "
    first = path.read_text().partition("\n")[0]
    assert first.startswith(start), f"{path} does not begin with {start!r}"
    neuron: type[LawNeuron]
    neuron = SBN if issubclass(SBN, _class(path).accepts) else Real
    once = cache(configured(name))

    # Copies one that was never called, because Hydra takes 20 ms to build one.
    def build(neuron: Neuron) -> EstimatorFunction:
        return copy.deepcopy(once(neuron))

    return Entry(name, first.removeprefix(start), neuron, build)


def chosen_problems() -> list[Problem]:
    """The problems on which estimators are measured for the pages."""
    chosen = [problem for problem in problems() if problem.name in PROBLEMS]
    assert len(chosen) == len(PROBLEMS)
    return chosen


def _class(path: Path) -> Any:
    config = OmegaConf.load(path)
    assert isinstance(config, DictConfig)
    return get_class(config["_target_"])


def _fields(part: Part) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(part)]
    return {name: getattr(part, name) for name in names if not name.startswith("_")}


def _options(part: Part, prefix: str = "") -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in _fields(part).items():
        if isinstance(value, Part):
            options |= _options(value, f"{prefix}{name}.")
        elif not isinstance(value, Neuron):
            options[prefix + name] = value
    return options
