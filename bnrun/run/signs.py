"""The activations of layers whose model decides about them, as those of weights and gates."""

from collections.abc import Mapping
from typing import Any


def with_signs(part: Any, signed: bool | None) -> Any:
    """A config in which all neurons have activations of -1 and +1, or of 0 and 1.

    signed  None leaves it to the config
    """
    if signed is None or not isinstance(part, Mapping):
        return part
    return {
        name: {**value, "signed": signed} if name == "neuron" else with_signs(value, signed)
        for name, value in part.items()
    }
