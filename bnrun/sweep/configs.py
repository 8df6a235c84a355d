"""The configs of a sweep's jobs, composed once for each choice of groups."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


@dataclass
class Configs:
    """What Hydra's load_sweep_config gives for a job, in a tenth of the time for most jobs.

    Jobs that choose the same groups differ by values alone, which are set in a copy of the first
    one's config. Overrides that add or delete, and wrong ones, are left to Hydra.

    loader  Hydra's own
    sweep   the config of the whole sweep
    """

    loader: ConfigLoader
    sweep: DictConfig
    _bases: dict[tuple[str, ...], DictConfig] = field(default_factory=dict)
    _groups: dict[str, bool] = field(default_factory=dict)

    def __call__(self, words: Sequence[str]) -> DictConfig:
        """The whole config of the job with these overrides, hydra node included.

        Raises HydraException for what cannot be composed.
        """
        overrides = OverridesParser.create(config_loader=self.loader).parse_overrides(list(words))
        if all(self._is_simple(override) for override in overrides):
            chosen = [override for override in overrides if self._is_group(override)]
            values = [override for override in overrides if not self._is_group(override)]
            config = copy.deepcopy(self._base(tuple(_word(override) for override in chosen)))
            try:
                for override in values:
                    OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
            except OmegaConfBaseException:
                pass  # Hydra has words for it.
            else:
                _tell(config, overrides)
                return config
        return self.loader.load_sweep_config(self.sweep, list(words))

    def _base(self, choices: tuple[str, ...]) -> DictConfig:
        if choices not in self._bases:
            self._bases[choices] = self.loader.load_sweep_config(self.sweep, list(choices))
        return self._bases[choices]

    def _is_simple(self, override: Override) -> bool:
        """Whether it chooses in a group, anywhere, or gives a value to a key that there is."""
        if override.is_hydra_override() or override.is_sweep_override():
            return False
        if self._is_group(override):
            return not isinstance(override.value(), dict)
        return override.type == OverrideType.CHANGE and override.package is None

    def _is_group(self, override: Override) -> bool:
        name = override.key_or_group
        if name not in self._groups:
            searched = OmegaConf.to_container(self.sweep.hydra.overrides.hydra)
            assert isinstance(searched, list)
            options = self.loader.get_group_options(
                name, config_name=self.sweep.hydra.job.config_name, overrides=searched
            )
            self._groups[name] = bool(options)
        return self._groups[name]


def _tell(config: DictConfig, overrides: list[Override]) -> None:
    """Write where Hydra does what the overrides were."""
    job = config.hydra.job
    config.hydra.overrides.task = [_word(override) for override in overrides]
    rules = job.config.override_dirname
    job.override_dirname = get_overrides_dirname(
        overrides, rules.exclude_keys, rules.item_sep, rules.kv_sep
    )


def _word(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line
