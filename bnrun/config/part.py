"""From a part of a config to its object."""

from collections.abc import Mapping
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf


def instantiated(config: Mapping[str, Any], key: str, objects: Mapping[str, Any]) -> Any:
    """The object that config.<key> describes; the config is resolved into plain values.

    objects  fields of its class that no config can hold; they replace those of the config

    Raises HydraException if its class refuses a value.
    """
    # From the whole config, so that Hydra's messages name the full key.
    node = OmegaConf.select(OmegaConf.create(dict(config)), key)
    rest = OmegaConf.masked_copy(node, [name for name in node if name not in objects])
    # Hydra would make configs of the objects, were they given to it.
    return instantiate(rest, _convert_="all", _partial_=True)(**objects)
