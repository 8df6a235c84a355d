"""The API for a notebook: estimators by their names on the command line."""

from pathlib import Path
from typing import Any

from bnrun.config.compose import EstimatorConfig
from bnrun.estimators.base import Estimator
from bnrun.run.build import build_estimator


def load_estimator(
    name: str, neuron: str = "sbn", *, config_dir: Path | None = None, **fields: Any
) -> Estimator:
    """The estimator that `estimator=<name> neuron=<neuron>` selects on the command line.

    name, neuron  choices of configs/estimator/<name>.yaml and configs/neuron/<neuron>.yaml
    config_dir    a folder of your own configs, searched as well
    fields        values in place of the yaml's, e.g. slope=2.0

    Raises ValueError for a field that does not exist, a value out of range, or a neuron that the
    estimator cannot serve; hydra.errors.MissingConfigException, with a list of the choices, for a
    name that does not exist.
    """
    words = [f"neuron={neuron}", f"estimator={name}"]
    return built(EstimatorConfig(words, fields, config_dir and Path(config_dir)))


def built(config: EstimatorConfig) -> Estimator:
    """The estimator of a config. Raises what its constructor raises."""
    try:
        return build_estimator(config.values())
    except Exception as error:
        # Hydra wraps what the constructor raised, which is the user's mistake.
        if isinstance(error.__cause__, ValueError | TypeError):
            raise error.__cause__ from None
        raise
