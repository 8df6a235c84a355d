"""Cut a sequence of layers into the stages of a chain, at every binary layer."""

from collections.abc import Sequence
from typing import Literal

from torch import nn

from bnrun.core.layers import Activation

HiddenLayer = Literal["binary", "relu", "tanh", "sigmoid"]
"""What a hidden layer is made of: binary units, or a real-valued activation."""


def layer_kinds(
    layers: HiddenLayer | Sequence[HiddenLayer], hidden: Sequence[int], real: bool = False
) -> tuple[HiddenLayer, ...]:
    """Return what each hidden layer is made of, for one word for all or one word each.

    hidden  widths of the hidden layers
    real    whether all of them may be real-valued, because the weights are binary

    Raises ValueError unless there is one word per layer and, without `real`, at least one of them
    is "binary".
    """
    kinds = (layers,) * len(hidden) if isinstance(layers, str) else tuple(layers)
    if len(kinds) != len(hidden):
        raise ValueError(
            f"layers={list(kinds)} names {len(kinds)} layers, but hidden={list(hidden)} has "
            f"{len(hidden)}: give one word for all, or one per layer"
        )
    if "binary" not in kinds and not real:
        raise ValueError(f"layers={list(kinds)} has no binary layer: make at least one binary")
    return kinds


class Stages:
    """Modules in the order of a forward pass; every binary layer ends a stage.

    finished  the stages so far
    units     of the binary layer after each finished stage
    pending   modules since the last binary layer; after all layers, the head
    """

    def __init__(self) -> None:
        self.finished: list[nn.Module] = []
        self.units: list[int] = []
        self.pending: list[nn.Module] = []

    def add(self, *modules: nn.Module) -> None:
        """Append modules to the current stage."""
        self.pending += modules

    def activate(self, kind: HiddenLayer, units: int) -> None:
        """End a hidden layer of so many units: a binary one ends the stage as well."""
        if kind == "binary":
            self.finished.append(nn.Sequential(*self.pending))
            self.units.append(units)
            self.pending = []
        else:
            self.pending.append(Activation(kind))
