"""Multi-layer perceptron of any depth."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.layers import Activation, LayerNorm
from bnrun.core.products import Linear
from bnrun.models.base import Model

Layer = Literal["binary", "relu", "tanh", "sigmoid"]


@validated
class MLP(Model):
    """Fully connected layers.

    hidden   units of each hidden layer
    layers   what each hidden layer is made of: "binary", or a real-valued activation by name;
             one word for all of them or one per layer, at least one of them binary
    norm     "layer" normalises the logits of each hidden layer, "none" does not
    init     initial weights, by name (see bnrun.core.initial.initial_weight); biases start at 0
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (100,)
    layers: Layer | tuple[Layer, ...] = "binary"
    norm: Literal["none", "layer"] = "none"
    init: Init = "default"

    def __post_init__(self) -> None:
        if len(self.kinds) != len(self.hidden):
            raise ValueError(
                f"layers={list(self.kinds)} names {len(self.kinds)} layers, but "
                f"hidden={list(self.hidden)} has {len(self.hidden)}: give one word for each"
            )
        if "binary" not in self.kinds:
            raise ValueError(
                f"layers={list(self.kinds)} has no binary layer: make at least one of them binary"
            )

    @property
    def kinds(self) -> tuple[Layer, ...]:
        """What each hidden layer is made of."""
        return (self.layers,) * len(self.hidden) if isinstance(self.layers, str) else self.layers

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """The net for inputs of `shape` and `outputs` values, one replica per seed."""
        stages: list[nn.Module] = []
        pending: list[nn.Module] = [nn.Flatten(start_dim=-len(shape))]
        units = prod(shape)
        for number, (width, kind) in enumerate(zip(self.hidden, self.kinds, strict=True), start=1):
            pending.append(Linear(units, width, seeds, f"hidden{number}", self.init))
            if self.norm == "layer":
                pending.append(LayerNorm((width,), seeds))
            if kind == "binary":
                stages.append(nn.Sequential(*pending))
                pending = []
            else:
                pending.append(Activation(kind))
            units = width
        pending.append(Linear(units, outputs, seeds, "head", self.init))
        binary = [
            width for width, kind in zip(self.hidden, self.kinds, strict=True) if kind == "binary"
        ]
        return _ImageMLP(stages, nn.Sequential(*pending), binary, tuple(shape))


class _ImageMLP(Chain):
    def __init__(
        self,
        stages: Sequence[nn.Module],
        head: nn.Module,
        units: Sequence[int],
        shape: tuple[int, ...],
    ) -> None:
        super().__init__(stages, head, units)
        self.shape = shape

    def filters(self) -> Tensor | None:
        if len(self.shape) != 3:
            return None
        first = next(layer for layer in self.modules() if isinstance(layer, Linear))
        tiles = first.weight.detach()[0].T.unflatten(1, self.shape)
        return tiles.mean(1)
