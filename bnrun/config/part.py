"""From a part of a config to its object."""

from collections.abc import Iterator, Mapping
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from bnrun.config.hydra_api import whitelist


def instantiated(config: Mapping[str, Any], key: str, objects: Mapping[str, Any]) -> Any:
    """The object that config.<key> describes; the config is resolved into plain values.

    objects  fields of its class that no config can hold; they replace those of the config

    Raises HydraException if its class refuses a value.
    """
    node = node_of(config, key)
    rest = OmegaConf.masked_copy(node, [str(name) for name in node if name not in objects])
    # Hydra would make configs of the objects, were they given to it.
    return made(rest, _partial_=True)(**objects)


def node_of(config: Mapping[str, Any], key: str) -> DictConfig:
    """config.<key> as a node that knows its key, which Hydra's messages name.

    The rest of the config is left out, because converting it takes 3 ms.
    """
    branch: Any = config
    for name in key.split("."):
        branch = branch[name]
    for name in reversed(key.split(".")):
        branch = {name: branch}
    node: DictConfig = OmegaConf.select(OmegaConf.create(branch), key)
    return node


def made(node: DictConfig, **options: Any) -> Any:
    """The object that a node describes.

    Raises HydraException if its class refuses a value, or is one that no config may name.
    """
    allowed = whitelist(_targets(OmegaConf.to_container(node)))
    return instantiate(node, _convert_="all", **allowed, **options)


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "_target_" in value:
            yield str(value["_target_"])
        for item in value.values():
            yield from _targets(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _targets(item)
