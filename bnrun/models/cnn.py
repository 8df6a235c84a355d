"""Convolutional net with two convolutions and one dense layer."""

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Literal

from torch import Tensor, nn

from bnrun.core.chain import Chain
from bnrun.core.convolution import Convolution
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.layers import LayerNorm, MaxPool2d
from bnrun.core.modules import Modules
from bnrun.core.network import Network
from bnrun.core.products import Conv2d, Linear
from bnrun.models import binary_weights as plain
from bnrun.models.base import Model
from bnrun.models.binary_weights import Norm, Weights
from bnrun.models.stages import HiddenLayer, Stages, layer_kinds


@validated
class CNN(Model):
    """Convolution, pooling and units, twice; then a dense layer of units, and the head.

    channels  feature maps of the two convolutions
    kernel    side of the convolution windows; padding keeps the size of the image
    dense     units of the dense layer
    layers    what each of the three hidden layers is made of: "binary", or the name of a
              real-valued activation; one word for all or three, at least one of them "binary"
    pool      "logits" takes the maximum of the logits, so that units fire after pooling; "bits"
              takes the maximum of the activations; both halve the side
    norm      "layer" normalises the logits of each layer before its units, "batch" is batch norm,
              "none" does neither
    weights   "real", "binary" or "scaled", of all layers, as for the MLP
    init      initial weights, by name (see bnrun.core.initial.initial_weight); biases start at 0
    """

    channels: tuple[PositiveInt, PositiveInt] = (16, 32)
    kernel: PositiveInt = 3
    dense: PositiveInt = 128
    layers: HiddenLayer | tuple[HiddenLayer, HiddenLayer, HiddenLayer] = "binary"
    pool: Literal["logits", "bits"] = "logits"
    norm: Norm = "layer"
    weights: Weights = "real"
    init: Init = "default"

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel={self.kernel} is even: the window needs a centre, use 3 or 5")
        layer_kinds(self.layers, (*self.channels, self.dense), real=self.weights != "real")

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Network:
        """Build the net for images of `shape` (C, H, W).

        Raises ValueError if the inputs are not images, or too small to be halved twice.
        """
        if len(shape) != 3 or min(shape[1:]) < 4:
            raise ValueError(
                f"model=cnn needs images of at least 4 x 4 pixels, but the dataset has inputs of "
                f"shape {tuple(shape)}: choose model=mlp"
            )
        if self.weights != "real" or self.norm == "batch":
            return Modules(partial(self._plain, shape, outputs), shape, outputs, seeds, "model=cnn")
        kinds = layer_kinds(self.layers, (*self.channels, self.dense))
        stages = Stages()
        stages.add(nn.Flatten(start_dim=-3))
        for number, kind in enumerate(kinds[:2], start=1):
            stages.add(*self._convolution(shape, number, seeds))
            shape = (self.channels[number - 1], shape[1] // 2, shape[2] // 2)
            if self.pool == "logits":
                stages.activate(kind, prod(shape))
            else:
                # Units fire on the whole image, and their bits are pooled.
                whole = (shape[0], 2 * shape[1], 2 * shape[2])
                stages.activate(kind, prod(whole))
                stages.add(nn.Unflatten(-1, whole), MaxPool2d(2), nn.Flatten(start_dim=-3))
        stages.add(Linear(prod(shape), self.dense, seeds, "dense", self.init))
        if self.norm == "layer":
            stages.add(LayerNorm((self.dense,), seeds))
        stages.activate(kinds[2], self.dense)
        stages.add(Linear(self.dense, outputs, seeds, "head", self.init))
        return _FilterCNN(stages.finished, nn.Sequential(*stages.pending), stages.units)

    def _convolution(
        self, shape: Sequence[int], number: int, seeds: Sequence[int]
    ) -> list[nn.Module]:
        channels, height, width = shape
        outputs, pooled = self.channels[number - 1], self.pool == "logits"
        conv = Conv2d(channels, outputs, self.kernel, seeds, f"conv{number}", self.init)
        # Both ways of pooling halve the same image, without an odd last row or column.
        sides = [side // 2 if pooled else side // 2 * 2 for side in (height, width)]
        norm = LayerNorm((outputs, *sides), seeds) if self.norm == "layer" else None
        block = Convolution(conv, pooled, norm)
        return [nn.Unflatten(-1, (channels, height, width)), block, nn.Flatten(start_dim=-3)]

    def _plain(self, shape: Sequence[int], outputs: int) -> nn.Module:
        """The net of one seed, [N, C, H, W] -> [N, outputs]."""
        kinds = layer_kinds(self.layers, (*self.channels, self.dense), real=True)
        layers: list[nn.Module] = []
        bias = self.norm == "none"
        channels, height, width = shape
        for maps, kind in zip(self.channels, kinds[:2], strict=True):
            layers.append(
                plain.convolution(channels, maps, self.kernel, self.weights, bias, self.init)
            )
            # What an odd row or column would add is dropped by the pooling.
            pool, fired = nn.MaxPool2d(2), plain.units(kind)
            norm = plain.normalized(self.norm, maps, images=True)
            layers += [pool, *norm, fired] if self.pool == "logits" else [*norm, fired, pool]
            channels, height, width = maps, height // 2, width // 2
        pixels = channels * height * width
        dense = plain.linear(pixels, self.dense, self.weights, bias, self.init)
        norm = plain.normalized(self.norm, self.dense)
        end = plain.head(self.dense, outputs, self.weights, self.norm, self.init)
        return nn.Sequential(*layers, nn.Flatten(), dense, *norm, plain.units(kinds[2]), *end)


class _FilterCNN(Chain):
    def filters(self) -> Tensor:
        first = next(layer for layer in self.modules() if isinstance(layer, Conv2d))
        return first.weight.detach()[0].mean(1)
