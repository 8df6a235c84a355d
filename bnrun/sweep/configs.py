"""The configs of a sweep's jobs, composed only once per choice of groups."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bnrun.config.compose import resolved
from bnrun.config.errors import UserError
from bnrun.config.hydra_api import set_override_dirname
from bnrun.config.run_id import run_id
from bnrun.sweep.bare import Bare


class JobConfig(NamedTuple):
    """A job's resolved config, with its choices, the folder of its run, and that of its study."""

    config: dict[str, Any]
    folder: Path
    study: Path


class SweeperOptions(NamedTuple):
    """What a sweep adds to the words of the command line."""

    params: dict[str, Any]
    grids: list[dict[str, Any]]


class Configs:
    """Composes the configs of a sweep's jobs as Hydra's load_sweep_config does, but faster.

    Jobs with the same choices differ only in values, which are set in the first one's config.
    Overrides that add or delete, and wrong ones, are left to Hydra. A job takes 2 ms, where Hydra
    takes 57. Checked with Hydra 1.3, whose internals it uses; test_plan guards the version and
    compares the configs.

    loader  Hydra's own
    sweep   the config of the whole sweep
    """

    def __init__(self, loader: ConfigLoader, sweep: DictConfig) -> None:
        self._loader, self._sweep = loader, sweep
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        self._bare: dict[tuple[str, ...], Bare | None] = {}
        self._groups: dict[str, bool] = {}
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed: dict[str, Override] = {}
        self._used: list[SweeperOptions] = []

    def __call__(self, words: Sequence[str]) -> JobConfig:
        """The job with these overrides.

        Raises HydraException for what cannot be composed, OmegaConfBaseException for what cannot be
        resolved, UserError if the job's folder or its sweeper is not one that the sweep can use.
        """
        job, options = self._quick(words) or self._slow(words)
        if self._used and options not in self._used:
            raise UserError(
                f"{' '.join(words)}: sets params or grids of hydra.sweeper, which this sweep does "
                f"not use: run it in a sweep of its own, or choose it by experiment=..."
            )
        return job

    def sweeper_options(self, words: Sequence[str]) -> SweeperOptions:
        """Params and grids of the sweep, as these overrides set them; the sweep may use them."""
        options = _sweeper_options(self.composed(words) if words else self._sweep)
        self._used.append(options)
        return options

    @property
    def folder(self) -> Path:
        """The folder of the whole sweep; its jobs may name others."""
        return Path(self._sweep.hydra.sweep.dir).absolute()

    @property
    def in_turn(self) -> bool:
        """Whether the launcher runs one job after the other."""
        return "BasicLauncher" in str(self._sweep.hydra.launcher._target_)

    def save(self, study: Path) -> None:
        """Write multirun.yaml into a study, as Hydra's sweeper does."""
        study.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._sweep, study / "multirun.yaml")

    def composed(self, words: Sequence[str]) -> DictConfig:
        """The whole config of a job, with its hydra node."""
        overrides = self._overrides(words)
        if all(self._is_simple(override) for override in overrides):
            config = copy.deepcopy(self._base(self._choices(overrides)))
            try:
                for key, value in self._values(overrides):
                    OmegaConf.update(config, key, value, merge=True)
            except OmegaConfBaseException:
                pass  # Hydra's own message is better.
            else:
                _write_overrides(config, overrides)
                return config
        return self._loader.load_sweep_config(self._sweep, list(words))

    def _slow(self, words: Sequence[str]) -> tuple[JobConfig, SweeperOptions]:
        node = self.composed(words)
        options, study = _sweeper_options(node), Path(node.hydra.sweep.dir)
        folder = (study / _subfolder(node)).absolute()
        return JobConfig(resolved(node), folder, study), options

    def _quick(self, words: Sequence[str]) -> tuple[JobConfig, SweeperOptions] | None:
        """The same as `_slow` gives, without a copy of the config; None where that is needed."""
        overrides = self._overrides(words)
        if not all(self._is_simple(override) for override in overrides):
            return None
        choices = self._choices(overrides)
        if choices not in self._bare:
            self._bare[choices] = Bare.of(self._base(choices))
        bare = self._bare[choices]
        if bare is None:
            return None
        try:
            config, study, sweeper = bare.resolved_with(self._values(overrides))
        except OmegaConfBaseException:
            return None  # Composing it succeeds, or has Hydra's own message.
        name = run_id(config, [_word(override) for override in overrides])
        return JobConfig(config, (study / name).absolute(), study), _options_of(sweeper)

    def _overrides(self, words: Sequence[str]) -> list[Override]:
        for word in words:
            if word not in self._parsed:
                (self._parsed[word],) = self._parser.parse_overrides([word])
        return [self._parsed[word] for word in words]

    def _choices(self, overrides: Sequence[Override]) -> tuple[str, ...]:
        return tuple(_word(override) for override in overrides if self._is_group(override))

    def _values(self, overrides: Sequence[Override]) -> list[tuple[str, Any]]:
        return [(o.key_or_group, o.value()) for o in overrides if not self._is_group(o)]

    def _base(self, choices: tuple[str, ...]) -> DictConfig:
        if choices not in self._bases:
            self._bases[choices] = self._loader.load_sweep_config(self._sweep, list(choices))
        return self._bases[choices]

    def _is_simple(self, override: Override) -> bool:
        """Whether it chooses in a group, or sets the value of a key that exists."""
        if override.is_hydra_override() or override.is_sweep_override():
            return False
        if self._is_group(override):
            return not isinstance(override.value(), dict)
        return override.type == OverrideType.CHANGE and override.package is None

    def _is_group(self, override: Override) -> bool:
        name = override.key_or_group
        if name not in self._groups:
            searched = OmegaConf.to_container(self._sweep.hydra.overrides.hydra)
            assert isinstance(searched, list)
            options = self._loader.get_group_options(
                name, config_name=self._sweep.hydra.job.config_name, overrides=searched
            )
            self._groups[name] = bool(options)
        return self._groups[name]


def _subfolder(node: DictConfig) -> str:
    try:
        return str(node.hydra.sweep.subdir)
    except OmegaConfBaseException as error:
        text = str(cast(dict[str, Any], OmegaConf.to_container(node.hydra.sweep))["subdir"])
        if "run_id" in text:
            raise
        raise UserError(
            f"hydra.sweep.subdir={text}: has no value before the jobs start, but the folder of a "
            f"run must follow from its config, so that the same command finds it: leave it out"
        ) from error


def _sweeper_options(node: DictConfig) -> SweeperOptions:
    """Raises UserError if params or grids are of another kind."""
    sweeper = OmegaConf.to_container(node.hydra.sweeper, resolve=True)
    assert isinstance(sweeper, dict)
    return _options_of(sweeper)


def _options_of(sweeper: Mapping[Any, Any]) -> SweeperOptions:
    params, grids = sweeper.get("params") or {}, sweeper.get("grids") or [{}]
    if not isinstance(params, dict):
        raise UserError(
            f"hydra.sweeper.params={params}: give values by key, like {{optimizer.lr: '0.1,0.3'}}"
        )
    if not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
        raise UserError(
            f"hydra.sweeper.grids={grids}: give a list of values by key, like [{{estimator: st}}]"
        )
    return SweeperOptions(_by_name(params), [_by_name(grid) for grid in grids])


def _by_name(values: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in values.items()}


def _write_overrides(config: DictConfig, overrides: list[Override]) -> None:
    """Write the overrides into the hydra node, where Hydra does."""
    config.hydra.overrides.task = [_word(override) for override in overrides]
    set_override_dirname(config.hydra.job, overrides)


def _word(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line
