"""Multi-layer perceptron of any depth."""

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.layers import LayerNorm
from bnrun.core.modules import Modules
from bnrun.core.network import Network
from bnrun.core.products import Linear
from bnrun.models import binary_weights as plain
from bnrun.models.base import Model
from bnrun.models.binary_weights import Norm, Weights
from bnrun.models.stages import HiddenLayer, Stages, layer_kinds


@validated
class MLP(Model):
    """Fully connected layers.

    hidden   units of each hidden layer
    layers   what each hidden layer is made of: "binary", or the name of a real-valued activation;
             one word for all or one per layer, at least one of them "binary"
    norm     "layer" normalises the logits of each hidden layer, "batch" is batch norm, "none" does
             neither
    weights  "real", "binary" (-1 and +1, of all layers), or "scaled" (the same with a scale per
             output), see bnrun.models.binary_weights. Nets with such weights or with batch norm are
             one per seed, run in turn
    init     initial weights, by name (see bnrun.core.initial.initial_weight); biases start at 0
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (100,)
    layers: HiddenLayer | tuple[HiddenLayer, ...] = "binary"
    norm: Norm = "none"
    weights: Weights = "real"
    init: Init = "default"

    def __post_init__(self) -> None:
        layer_kinds(self.layers, self.hidden, real=self.weights != "real")

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Network:
        """Build the net for inputs of any shape."""
        if self.weights != "real" or self.norm == "batch":
            make = partial(self._plain, prod(shape), outputs)
            return Modules(make, shape, outputs, seeds, "model=mlp")
        stages = Stages()
        stages.add(nn.Flatten(start_dim=-len(shape)))
        width = prod(shape)
        kinds = layer_kinds(self.layers, self.hidden)
        for number, (units, kind) in enumerate(zip(self.hidden, kinds, strict=True), start=1):
            stages.add(Linear(width, units, seeds, f"hidden{number}", self.init))
            if self.norm == "layer":
                stages.add(LayerNorm((units,), seeds))
            stages.activate(kind, units)
            width = units
        stages.add(Linear(width, outputs, seeds, "head", self.init))
        head = nn.Sequential(*stages.pending)
        return _ImageMLP(stages.finished, head, stages.units, tuple(shape))

    def _plain(self, inputs: int, outputs: int) -> nn.Module:
        """The net of one seed, [N, ...] -> [N, outputs]."""
        layers: list[nn.Module] = [nn.Flatten()]
        kinds = layer_kinds(self.layers, self.hidden, real=True)
        widths = [inputs, *self.hidden]
        for before, after, kind in zip(widths, self.hidden, kinds, strict=False):
            bias = self.norm == "none"
            layers.append(plain.linear(before, after, self.weights, bias, self.init))
            layers += [*plain.normalized(self.norm, after), plain.units(kind)]
        end = plain.head(widths[-1], outputs, self.weights, self.norm, self.init)
        return nn.Sequential(*layers, *end)


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
