"""An object of a config, of the kind that its place asks for."""

from collections.abc import Mapping
from typing import Any

from bnrun.config.part import made, node_of
from bnrun.data.base import Dataset
from bnrun.estimators.base import Estimator
from bnrun.models.base import Model
from bnrun.recording.tracker import Tracker
from bnrun.tasks.base import Task

KINDS = {
    "model": Model,
    "task": Task,
    "dataset": Dataset,
    "estimator": Estimator,
    "tracker": Tracker,
}


def build(config: Mapping[str, Any], key: str) -> Any:
    """The object that config.<key> describes; the config is resolved into plain values.

    Raises ValueError if it is not of its kind, HydraException if its class refuses a value.
    """
    node = node_of(config, key)
    part = made(node)
    kind = KINDS.get(key.split(".")[0].replace("layers", "estimator"), object)
    if not isinstance(part, kind):
        name, target = f"{kind.__module__}.{kind.__name__}", node.get("_target_")
        raise ValueError(f"{key}._target_={target}: has to be a subclass of {name}")
    return part
