"""A config in which the values of one job after the other are set, without copying it each time."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from omegaconf import AnyNode, DictConfig, OmegaConf, open_dict

from bnrun.config.compose import with_choices

Values = Sequence[tuple[str, Any]]
"""Keys, like optimizer.lr, and their values."""

_SWEEP = "_sweep_"
_NOT_PLAIN = object()


class Resolved(NamedTuple):
    """A job's resolved config with its choices, its study's folder, and params and grids."""

    config: dict[str, Any]
    study: Path
    sweeper: dict[str, Any]


class Bare:
    """A config without its hydra node, which is more than half of it.

    node      has in _SWEEP what of the hydra node may depend on a job's values
    choices   group -> name
    """

    def __init__(self, node: DictConfig, choices: Mapping[Any, Any]) -> None:
        self._node, self._choices = node, choices

    @classmethod
    def of(cls, config: DictConfig) -> "Bare | None":
        """None if the folder of a run is not named by its run id alone."""
        hydra = OmegaConf.masked_copy(config.hydra, ["sweep", "sweeper"])
        raw = cast(dict[str, Any], OmegaConf.to_container(hydra))
        if raw["sweep"]["subdir"] != "${run_id:}" or not isinstance(raw["sweeper"], dict):
            return None
        node = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        sweeper = {key: raw["sweeper"].get(key) for key in ("params", "grids")}
        with open_dict(node):
            node[_SWEEP] = {"sweep": {"dir": raw["sweep"]["dir"]}, "sweeper": sweeper}
        OmegaConf.set_struct(node, OmegaConf.is_struct(config))  # which the copy does not inherit
        return cls(node, config.hydra.runtime.choices)

    def resolved_with(self, values: Values) -> Resolved:
        """The config of a job with these values; the next job's starts without them.

        Raises OmegaConfBaseException for a wrong key or value, and if the hydra node is needed.
        """
        before = [(key, _plain_value(self._node, key)) for key, _ in values]
        if all(_is_plain(value) for _, value in [*before, *values]):
            try:
                plain = _set(self._node, values)
            finally:
                for key, value in before:
                    OmegaConf.update(self._node, key, value)
        else:
            plain = _set(copy.deepcopy(self._node), values)
        hydra = plain.pop(_SWEEP)
        config = with_choices({str(key): value for key, value in plain.items()}, self._choices)
        return Resolved(config, Path(hydra["sweep"]["dir"]), hydra["sweeper"])


def _set(node: DictConfig, values: Values) -> dict[Any, Any]:
    for key, value in values:
        OmegaConf.update(node, key, value, merge=True)
    return cast(dict[Any, Any], OmegaConf.to_container(node, resolve=True))


def _is_plain(value: Any) -> bool:
    return value is not _NOT_PLAIN and not isinstance(value, dict | list)


def _plain_value(node: DictConfig, key: str) -> Any:
    """What is written at this key, unresolved; _NOT_PLAIN if it is a dict, a list or inside one."""
    *parents, last = key.split(".")
    for name in parents:
        child = node._get_node(name)
        if not isinstance(child, DictConfig) or child._is_interpolation() or child._is_none():
            return _NOT_PLAIN
        node = child
    leaf = node._get_node(last)
    return leaf._value() if isinstance(leaf, AnyNode) else _NOT_PLAIN
