"""Autoencoders with a binary code: an encoder, one binary layer, a decoder."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Literal

from torch import nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.layers import Activation, Crop, MaxPool2d
from bnrun.core.products import Conv2d, ConvTranspose2d, Linear
from bnrun.models.base import Model

_SMALLEST = 4
"""Side of the smallest images that can be halved twice."""


@validated
class BinaryAutoencoder(Model):
    """A code of bits, from which the inputs are reconstructed.

    code    number of bits
    kind    "conv": two convolutions with pooling, mirrored by two transposed ones; "dense": fully
            connected layers; "auto": conv for images of at least 4 x 4 pixels, dense otherwise
    width   feature maps of the first convolution; the second has twice as many
    hidden  units of the dense layers before the code; the decoder has them in reverse order
    init    initial weights, by name (see bnrun.core.initial.initial_weight); biases start at 0

    All layers but the code and the outputs are rectified.
    """

    code: PositiveInt = 64
    kind: Literal["auto", "conv", "dense"] = "auto"
    width: PositiveInt = 16
    hidden: tuple[PositiveInt, ...] = (200,)
    init: Init = "default"

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """Build the net for inputs of `shape`.

        Raises ValueError unless the task wants one output per input, or for kind="conv" with
        inputs that are no images or too small.
        """
        if outputs != prod(shape):
            raise ValueError(
                f"model=autoencoder has one output for each of {prod(shape)} inputs, but the task "
                f"wants {outputs}: choose task=autoencoder, or model=mlp"
            )
        image = len(shape) == 3 and min(shape[1:]) >= _SMALLEST
        if self.kind == "conv" and not image:
            raise ValueError(
                f"model.kind=conv needs images of at least {_SMALLEST} x {_SMALLEST} pixels, but "
                f"the dataset has inputs of shape {tuple(shape)}: use model.kind=dense"
            )
        convolutional = image and self.kind != "dense"
        encoder, decoder = (self._conv if convolutional else self._dense)(shape, seeds)
        return _Decoding(nn.Sequential(*encoder), nn.Sequential(*decoder), self.code, outputs)

    def _dense(
        self, shape: Sequence[int], seeds: Sequence[int]
    ) -> tuple[list[nn.Module], list[nn.Module]]:
        units = [prod(shape), *self.hidden, self.code]
        up, down = (self._layers(u, seeds, k) for u, k in ((units, "up"), (units[::-1], "down")))
        return [nn.Flatten(start_dim=-len(shape)), *up], down

    def _layers(self, units: Sequence[int], seeds: Sequence[int], name: str) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(units), start=1):
            layers.append(Linear(before, after, seeds, f"{name}{number}", self.init))
            layers.append(Activation("relu"))
        return layers[:-1]

    def _conv(
        self, shape: Sequence[int], seeds: Sequence[int]
    ) -> tuple[list[nn.Module], list[nn.Module]]:
        channels, height, width = shape
        maps, init = (channels, self.width, 2 * self.width), self.init
        small = (maps[2], -(-height // 4), -(-width // 4))
        up: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(maps), start=1):
            up += [Conv2d(before, after, 3, seeds, f"up{number}", init), Activation("relu")]
            up.append(MaxPool2d(2, whole=True))
        up += [nn.Flatten(start_dim=-3), Linear(prod(small), self.code, seeds, "code", init)]
        down: list[nn.Module] = [Linear(self.code, prod(small), seeds, "decode", init)]
        down += [Activation("relu"), nn.Unflatten(-1, small)]
        for number, (before, after) in enumerate(pairwise(maps[::-1]), start=1):
            # From side s to 2 s + 2, of which the border is cut off.
            down.append(ConvTranspose2d(before, after, 4, 2, seeds, f"down{number}", init))
            down += [nn.ZeroPad2d(-1), Activation("relu")]
        return up, [*down[:-1], Crop(height, width), nn.Flatten(start_dim=-3)]


class _Decoding(Chain):
    """A chain of one binary layer, whose outputs may be more than its units."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, code: int, outputs: int) -> None:
        super().__init__([encoder], decoder, [code])
        self._outputs = outputs

    @property
    def widest(self) -> int:
        return max(*self.units, self._outputs)
