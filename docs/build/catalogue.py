"""All that can be said and measured of one file of configs/estimator."""

import copy
import dataclasses
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from docstrings import passages
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from bnrun.config.paths import CONFIGS
from bnrun.conformance.findings import Finding, assess
from bnrun.conformance.measurement import Build, EstimatorFunction, measure
from bnrun.conformance.problems import Problem, problems
from bnrun.conformance.target import configured
from bnrun.core.neurons import SBN, Neuron, Real
from bnrun.estimators.base import Estimator
from bnrun.estimators.tools.baselines import Baseline

PROBLEMS = ("1 layer, multilinear", "1 layer, quadratic", "2 layers, cross-entropy, signed")
PRECISION = 0.003
"""Standard error of the gradient's scale: about three digits."""
WARM_UP = 500
"""Calls before measuring what learns: five times the memory of the slowest running average."""

Part = Estimator | Baseline


@dataclass(frozen=True)
class Entry:
    """One file of configs/estimator.

    name         of the file
    description  what its first line says
    neuron       the kind that it is measured with
    build        makes one for a neuron
    """

    name: str
    description: str
    neuron: type[Neuron]
    build: Build

    @cached_property
    def estimator(self) -> Estimator:
        """One that has not been called."""
        estimator = self.build(self.neuron())
        assert isinstance(estimator, Estimator)
        return estimator

    @property
    def passages(self) -> dict[str, str]:
        """What its class says about it."""
        return passages(type(self.estimator))

    @property
    def parts(self) -> dict[str, Part]:
        """Its fields that are estimators or baselines themselves."""
        values = _fields(self.estimator)
        return {key: value for key, value in values.items() if isinstance(value, Part)}

    @property
    def options(self) -> dict[str, Any]:
        """Values of the config file, with dots in the names of those of parts."""
        return _options(self.estimator)

    @property
    def neurons(self) -> list[str]:
        """Names of the files of configs/neuron that it and all its parts accept."""
        users = [self.estimator, *(p for p in self.parts.values() if isinstance(p, Estimator))]
        kinds = {path.stem: _class(path) for path in sorted((CONFIGS / "neuron").glob("*.yaml"))}
        return [
            name
            for name, kind in kinds.items()
            if all(issubclass(kind, user.accepts) for user in users)
        ]

    @property
    def warm_up(self) -> int:
        """Calls before measuring: none for what does not learn."""
        return 0 if self.estimator.frozen() is self.estimator else WARM_UP

    def findings(self) -> list[Finding]:
        """Measured on each of PROBLEMS, with fixed seeds."""
        return [
            assess(measure(self.build, net, self.neuron, PRECISION, warm_up=self.warm_up))
            for net in chosen_problems()
        ]


def names() -> list[str]:
    """Every file of configs/estimator."""
    return sorted(path.stem for path in (CONFIGS / "estimator").glob("*.yaml"))


def entry(name: str) -> Entry:
    """The entry of configs/estimator/<name>.yaml."""
    path = CONFIGS / "estimator" / f"{name}.yaml"
    start = f"# estimator={name}: "
    first = path.read_text().partition("\n")[0]
    assert first.startswith(start), f"{path} does not begin with {start!r}"
    neuron: type[Neuron]
    neuron = SBN if issubclass(SBN, _class(path).accepts) else Real
    once = cache(configured(name))

    # A copy of what has not been called yet: Hydra takes 20 ms to build one.
    def build(neuron: Neuron) -> EstimatorFunction:
        return copy.deepcopy(once(neuron))

    return Entry(name, first.removeprefix(start), neuron, build)


def chosen_problems() -> list[Problem]:
    """Those that PROBLEMS names."""
    found = [problem for problem in problems() if problem.name in PROBLEMS]
    assert len(found) == len(PROBLEMS)
    return found


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
