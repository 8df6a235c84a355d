"""Autoencoders with a binary code: an encoder, one binary layer, a decoder."""

from collections.abc import Sequence
from itertools import pairwise
from math import gcd, prod
from typing import Literal

from torch import nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.layers import (
    Activation,
    Crop,
    FromPositions,
    GroupNorm,
    MaxPool2d,
    Positions,
    Scale,
    Spherical,
    Upsample,
)
from bnrun.core.products import Conv2d, ConvTranspose2d, Linear
from bnrun.models.base import Model

_SMALLEST = 4
"""Side of the smallest images that can be halved twice."""


@validated
class BinaryAutoencoder(Model):
    """A code of bits, from which the inputs are reconstructed.

    code       number of bits; for kind="map", of each position
    kind       "conv": two convolutions with pooling, mirrored by two transposed ones; "map": the
               code is a map, a codeword of `code` bits for every 4 x 4 pixels; "dense": fully
               connected layers; "auto": conv for images of at least 4 x 4 pixels, dense otherwise
    width      feature maps of the first convolution; the second has twice as many
    hidden     units of the dense layers before the code; the decoder has them in reverse order
    spherical  whether codewords are on a sphere: the logits of each are divided by their norm, and
               the decoder sees bits over the square root of their number, -1 or 1 over it for
               neuron.signed=true. Logits are then between -1 and 1, so that neuron.slope sets how
               random the bits are
    init       initial weights, by name (see bnrun.core.initial.initial_weight); biases start at 0

    All layers but the code and the outputs are rectified. kind="map" is the net of the example in
    https://github.com/lucidrains/vector-quantize-pytorch, with normalised features before the
    code, GELU, and maps that are enlarged by repetition. Spherical codes: Zhao, Xiong,
    Kraehenbuehl (2024), arXiv 2406.07548.
    """

    code: PositiveInt = 64
    kind: Literal["auto", "conv", "map", "dense"] = "auto"
    width: PositiveInt = 16
    hidden: tuple[PositiveInt, ...] = (200,)
    spherical: bool = False
    init: Init = "default"

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """Build the net for inputs of `shape`.

        Raises ValueError unless the task wants one output per input, or for convolutions of
        inputs that are not images, or too small.
        """
        if outputs != prod(shape):
            raise ValueError(
                f"model=autoencoder has one output for each of {prod(shape)} inputs, but the task "
                f"wants {outputs}: choose task=autoencoder, or model=mlp"
            )
        image = len(shape) == 3 and min(shape[1:]) >= _SMALLEST
        if self.kind in ("conv", "map") and not image:
            raise ValueError(
                f"model.kind={self.kind} needs images of at least {_SMALLEST} x {_SMALLEST} "
                f"pixels, but the dataset has inputs of shape {tuple(shape)}: use model.kind=dense"
            )
        if self.kind == "map":
            encoder, decoder = self._map(shape, seeds)
        elif image and self.kind != "dense":
            encoder, decoder = self._conv(shape, seeds)
        else:
            encoder, decoder = self._dense(shape, seeds)
        units = self.code * (prod(_small(shape)) if self.kind == "map" else 1)
        radius = self.code**-0.5 if self.spherical else 1.0
        if self.spherical:
            encoder, decoder = [*encoder, Spherical(self.code)], [Scale(radius), *decoder]
        return BinaryCode(
            nn.Sequential(*encoder), nn.Sequential(*decoder), units, outputs, self.code, radius
        )

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
        small = (maps[2], *_small(shape))
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

    def _map(
        self, shape: Sequence[int], seeds: Sequence[int]
    ) -> tuple[list[nn.Module], list[nn.Module]]:
        channels, height, width = shape
        maps, init = (channels, self.width, 2 * self.width), self.init
        up: list[nn.Module] = [
            Conv2d(maps[0], maps[1], 3, seeds, "up1", init),
            MaxPool2d(2, whole=True),
            nn.GELU(),
            Conv2d(maps[1], maps[2], 3, seeds, "up2", init),
            MaxPool2d(2, whole=True),
            GroupNorm(gcd(4, maps[2])),
            Conv2d(maps[2], self.code, 1, seeds, "code", init),
            Positions(),
        ]
        down: list[nn.Module] = [
            FromPositions(_small(shape)),
            Conv2d(self.code, maps[2], 3, seeds, "decode", init),
            Upsample(),
            Conv2d(maps[2], maps[1], 3, seeds, "down1", init),
            nn.GELU(),
            Upsample(),
            Conv2d(maps[1], maps[0], 3, seeds, "down2", init),
            Crop(height, width),
            nn.Flatten(start_dim=-3),
        ]
        return up, down


def _small(shape: Sequence[int]) -> tuple[int, int]:
    """Height and width of images that were halved twice, rounded up."""
    return -(-shape[1] // 4), -(-shape[2] // 4)


class BinaryCode(Chain):
    """A chain of one binary layer, the code, whose outputs may be more than its units.

    codeword  bits of a codeword, a divisor of the code's
    radius    size of a bit as the decoder sees it, if bits are -1 and 1
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        units: int,
        outputs: int,
        codeword: int,
        radius: float,
    ) -> None:
        super().__init__([encoder], decoder, [units])
        self._outputs, self.codeword, self.radius = outputs, codeword, radius

    @property
    def widest(self) -> int:
        return max(*self.units, self._outputs)
