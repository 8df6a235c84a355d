"""The API for a notebook: estimators by the names of the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from bnrun.config.paths import CONFIGS
from bnrun.estimators.base import Estimator


def load_estimator(
    name: str, neuron: str = "sbn", *, config_dir: Path | None = None, **fields: Any
) -> Estimator:
    """The estimator that `estimator=<name> neuron=<neuron>` selects on the command line.

    name, neuron  names of configs/estimator/<name>.yaml and configs/neuron/<neuron>.yaml
    config_dir    a folder of own configs, searched as well
    fields        values to set instead of the yaml's, e.g. slope=2.0

    Raises ValueError for a value out of range or a pairing without meaning, and
    hydra.errors.MissingConfigException, with the list of names, for a name that does not exist.
    """
    searched = [] if config_dir is None else [f"file://{Path(config_dir).resolve()}"]
    words = [f"neuron={neuron}", f"estimator={name}", f"hydra.searchpath={searched}"]
    node = composed(words).estimator
    try:
        estimator = instantiate(node, _convert_="all", **fields)
    except Exception as error:
        # Hydra wraps what the constructor raised; the user's mistake is the cause.
        if isinstance(error.__cause__, ValueError | TypeError):
            raise error.__cause__ from None
        raise
    assert isinstance(estimator, Estimator)
    return estimator


def composed(words: Sequence[str]) -> DictConfig:
    """The whole config for overrides like those of the command line.

    In a running `bnrun` the folders of its --config-dir are searched as well.
    Raises hydra.errors.HydraException for what does not exist.
    """
    if GlobalHydra.instance().is_initialized():
        return compose("config", overrides=list(words))
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("config", overrides=list(words))
