"""Composing a config by Hydra, and resolving it into plain values.

This is the only file that starts Hydra outside of the command line. After `resolved` everything
works on plain dicts; the config is resolved once, and nobody downstream sees an interpolation.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobRuntime
from hydra.errors import MissingConfigException
from hydra.experimental.callback import Callback
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict

from bnrun.config.budget import by_budget
from bnrun.config.hydra_api import BASE, register_resolver
from bnrun.config.paths import CONFIGS
from bnrun.config.run_id import choice_name, run_id, study
from bnrun.config.synonyms import synonym
from bnrun.config.words import with_arguments

if TYPE_CHECKING:
    from bnrun.core.neurons import Neuron

# Hydra copies this store for every look at the configs, a hundred times for --help. A shared one
# is safe, because what is loaded from it is copied again. It saves 0.22 s of the 0.49 s of CPU time
# that `bnrun --help` takes (medians of 7). Checked with Hydra 1.3; test_startup guards it.
ConfigStore.__deepcopy__ = lambda self, _: self  # type: ignore[attr-defined]  # it has none


def composed(
    words: Sequence[str], config_dir: Path | None = None, hydra_node: bool = False
) -> DictConfig:
    """The whole config for overrides like those of the command line.

    Inside a running `bnrun`, the folders of its --config-dir are searched as well. Inside another
    program that uses Hydra, its configs are not.

    config_dir  a folder of your own configs, searched as well
    hydra_node  whether the config keeps its `hydra` node

    Raises hydra.errors.HydraException if a group, a choice or a key does not exist, ValueError if
    there is no such config_dir.
    """
    overrides = list(map(with_arguments, words))
    if config_dir is not None:
        folder = Path(config_dir).expanduser().resolve()
        if not folder.is_dir():
            raise ValueError(f"config_dir={config_dir}: no such folder")
        quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
        overrides.append(f"hydra.searchpath=['file://{quoted}']")
    if _is_running():
        return compose("config", overrides=overrides, return_hydra_config=hydra_node)
    with _aside(), initialize_config_dir(str(CONFIGS), **BASE):
        return compose("config", overrides=overrides, return_hydra_config=hydra_node)


def _is_running() -> bool:
    """Whether the Hydra program that is running, if any, is `bnrun`."""
    hydra = GlobalHydra.instance().hydra
    if hydra is None:
        return False
    places = hydra.config_loader.get_search_path().get_path()
    return any(p.provider == "main" and str(CONFIGS) in str(p.path) for p in places)


@contextmanager
def _aside() -> Iterator[None]:
    """While the block runs, the user's own Hydra program stands aside."""
    theirs, base = GlobalHydra.instance().hydra, VersionBase.instance().getbase()
    name = JobRuntime.instance().get("name")
    GlobalHydra.instance().hydra = None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = theirs
        VersionBase.instance().version_base = base
        JobRuntime.instance().set("name", name)


def resolved(config: DictConfig, choices: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The config as plain values without its `hydra` node, and with the "choices" of its groups.

    choices  group -> name; None takes them from the `hydra` node, if there is one

    Raises OmegaConfBaseException for a missing value or an interpolation that cannot be resolved.
    """
    if choices is None:
        choices = config.hydra.runtime.choices if "hydra" in config else {}
    keys = [str(key) for key in config if key != "hydra"]
    values = OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=True)
    assert isinstance(values, dict)
    return with_choices({str(key): value for key, value in values.items()}, choices)


def with_choices(values: dict[str, Any], choices: Mapping[Any, Any]) -> dict[str, Any]:
    """Resolved values with the "choices" of their groups, by the names of their files."""
    if "choices" in values:
        raise ValueError("choices: no such option, leave it out")
    named = {str(group): choice_name(str(group), name) for group, name in choices.items()}
    return {**values, "choices": named}


class EstimatorConfig:
    """The config of an estimator outside of a run, with any neuron in place of the config's.

    words       overrides like those of the command line, e.g. estimator=disarm
    fields      key -> value, in place of the yaml's values
    config_dir  a folder of your own configs, searched as well

    Fields that a config cannot hold, like another estimator, are left to the caller as `objects`.

    Raises HydraException for a choice that does not exist, ValueError for such a field.
    """

    def __init__(
        self,
        words: Sequence[str],
        fields: Mapping[str, Any] | None = None,
        config_dir: Path | None = None,
    ) -> None:
        try:
            self._config = composed(words, config_dir)
        except MissingConfigException as error:
            name = (error.missing_cfg_file or "").rpartition("/")[2]
            if meant := synonym(name):
                error.add_note(f"{name}: that is {meant}")
            raise
        known = [str(key) for key in self._config.estimator if key != "_target_"]
        for key in fields or {}:
            if key not in known:
                raise ValueError(
                    f"{key}: the estimator has no such field, use one of {', '.join(known)}"
                )
        OmegaConf.set_struct(self._config, False)
        plain = {key: value for key, value in (fields or {}).items() if is_plain(value)}
        self._config.estimator = OmegaConf.merge(self._config.estimator, plain)
        self.objects = {key: value for key, value in (fields or {}).items() if key not in plain}

    def values(self, neuron: "Neuron | None" = None) -> dict[str, Any]:
        """The whole config, resolved; `neuron` takes the place of the config's if it is given."""
        if neuron is not None:
            # As a config, because every part of an estimator refers to it by ${neuron}.
            target = f"{type(neuron).__module__}.{type(neuron).__qualname__}"
            self._config.neuron = {"_target_": target, **asdict(neuron)}
        return resolved(self._config)


class Made(Callback):
    """Notes the first folder that Hydra is about to make for a run, in hydra.runtime.made.

    It is the topmost one of outputs, outputs/<study>, outputs/<study>/<run> and its .hydra that
    does not exist yet; "" if all of them exist. Whatever is above was there before.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Called by Hydra, which reports an error here as a warning, and meets it again later."""
        made = ""
        with suppress(Exception):
            hydra = Path(config.hydra.run.dir).absolute() / ".hydra"
            if any(path.is_symlink() for path in (hydra, *hydra.glob("*"))):
                config.hydra.output_subdir = None  # Hydra would write through the link.
            made = [str(path) for path in (hydra, *hydra.parents) if not path.exists()][-1]
        with open_dict(config.hydra.runtime):
            config.hydra.runtime.made = made


def is_plain(value: Any) -> bool:
    """Whether a config can hold a value, as it can numbers and texts, but not objects."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """Words of the form key=value as nested values, e.g. first.slope=2 as {first: {slope: 2}}."""
    values = OmegaConf.to_container(OmegaConf.from_dotlist(list(words)))
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _run_id(root: DictConfig) -> str:
    return run_id(resolved(root), root.hydra.overrides.task)


register_resolver("from_home", lambda path: str(Path(str(path)).expanduser()), replace=True)
register_resolver("study", study, replace=True)
register_resolver("run_id", lambda *, _root_: _run_id(_root_), replace=True)
register_resolver(
    "by_budget",
    lambda *values, _root_: by_budget(values, _root_.budget, _root_.budgets),
    replace=True,
)
