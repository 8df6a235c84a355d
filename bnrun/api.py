"""The API for a notebook: estimators by their names on the command line."""

from pathlib import Path
from typing import Any

from bnrun.config.compose import EstimatorConfig
from bnrun.config.errors import cause_of
from bnrun.config.part import instantiated
from bnrun.core.neurons import Neuron
from bnrun.estimators.base import Estimator
from bnrun.run.build import build_estimator


def load_estimator(
    name: str, neuron: str | Neuron = "sbn", *, config_dir: Path | None = None, **fields: Any
) -> Estimator:
    """The estimator that `estimator=<name> neuron=<neuron>` selects on the command line.

    name, neuron  choices of configs/estimator/<name>.yaml and configs/neuron/<neuron>.yaml; a
                  neuron may also be an object
    config_dir    a folder of your own configs, searched as well
    fields        values in place of the yaml's, e.g. slope=2.0, or objects, as in
                  load_estimator("mixture", first=load_estimator("arm"))

    Raises ValueError for a field that does not exist, a value out of range, a neuron that the
    estimator cannot serve, or a config_dir that does not exist; for a name that does not exist,
    hydra.errors.MissingConfigException with a list of the choices.
    """
    words = [f"estimator={name}"]
    if isinstance(neuron, str):
        words.append(f"neuron={neuron}")
    config = EstimatorConfig(words, fields, config_dir and Path(config_dir))
    return built(config, None if isinstance(neuron, str) else neuron)


def built(config: EstimatorConfig, neuron: Neuron | None = None) -> Estimator:
    """The estimator of a config, for its neuron or another one.

    Raises what its constructor raises.
    """
    values = config.values(neuron)
    try:
        if not config.objects:
            return build_estimator(values)
        estimator: Estimator = instantiated(values, "estimator", config.objects)
        return estimator
    except Exception as error:
        # Hydra wraps what the constructor raised, which is the user's mistake.
        cause = cause_of(error)
        if cause is not error and isinstance(cause, ValueError | TypeError):
            raise cause from None
        raise
