"""Generators: from latent variables to one binary layer, the pixels of an image."""

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.layers import Affine, BatchNorm, LayerNorm
from bnrun.core.products import ConvTranspose2d, Linear
from bnrun.models.base import Model

Norm = Literal["batch", "layer", "affine", "none"]

_NORMS = {"batch": BatchNorm, "layer": LayerNorm, "affine": Affine}


@validated
class MLPGenerator(Model):
    """Fully connected ReLU layers; the binary layer is the output.

    hidden  units of each hidden layer
    norm    of the pre-activations of every layer, including the output's logits: "batch" over
            the examples, "layer" over the units, "affine" only a learned scale and shift, "none"
    init    initial weights, by name (see bnrun.core.initial.initial_weight); biases start at 0
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1024,)
    norm: Norm = "batch"
    init: Init = "trunc_normal"

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """Build the net from latent variables of `shape` to `outputs` pixels.

        Raises ValueError if the inputs are images.
        """
        if len(shape) != 1:
            raise ValueError(
                f"model=generator_mlp makes images from latent variables, but the inputs have "
                f"shape {tuple(shape)}: choose task=gan, or model=mlp"
            )
        units = [*shape, *self.hidden, outputs]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(units), start=1):
            layers.append(Linear(before, after, seeds, f"generator{number}", self.init))
            layers += [*_normalised(self.norm, (after,), seeds), nn.ReLU()]
        return Chain([nn.Sequential(*layers[:-1])], nn.Identity(), [outputs])


@validated
class CNNGenerator(Model):
    """Transposed convolutions without padding from a 1 x 1 image; the binary layer is the output.

    channels    feature maps of each layer but the last, which has one
    kernels     side of the windows of each layer
    strides     of each layer; an image of side s becomes one of side (s - 1) stride + kernel
    norm, init  as for MLPGenerator

    Raises ValueError unless there is one stride and one kernel per layer.
    """

    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (128, 64, 32)
    kernels: tuple[PositiveInt, ...] = (2, 4, 3, 4)
    strides: tuple[PositiveInt, ...] = (1, 2, 2, 2)
    norm: Norm = "batch"
    init: Init = "trunc_normal"

    def __post_init__(self) -> None:
        layers = len(self.channels) + 1
        if not len(self.kernels) == len(self.strides) == layers:
            raise ValueError(
                f"channels={list(self.channels)} makes {layers} layers, but kernels="
                f"{list(self.kernels)} and strides={list(self.strides)} are for {len(self.kernels)}"
                f" and {len(self.strides)}: give one kernel and one stride per layer"
            )

    @property
    def sides(self) -> list[int]:
        """Height and width of the image after each layer."""
        sides = [1]
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            sides.append((sides[-1] - 1) * stride + kernel)
        return sides[1:]

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """Build the net from latent variables of `shape` to `outputs` pixels.

        Raises ValueError unless the layers make a square image of that size.
        """
        if self.sides[-1] ** 2 != outputs:
            raise ValueError(
                f"model=generator_cnn makes images of {self.sides[-1]} x {self.sides[-1]} pixels, "
                f"but the dataset's have {outputs} ({isqrt(outputs)} x {isqrt(outputs)} if square):"
                f" choose model=generator_mlp, or other model.kernels and model.strides"
            )
        maps = [*shape, *self.channels, 1]
        layers: list[nn.Module] = [nn.Unflatten(-1, (maps[0], 1, 1))]
        for number, side in enumerate(self.sides):
            window = self.kernels[number], self.strides[number]
            name = f"generator{number + 1}"
            before, after = maps[number], maps[number + 1]
            layers.append(ConvTranspose2d(before, after, *window, seeds, name, self.init))
            layers += [*_normalised(self.norm, (after, side, side), seeds), nn.ReLU()]
        stage = nn.Sequential(*layers[:-1], nn.Flatten(start_dim=-3))
        return Chain([stage], nn.Identity(), [outputs])


def _normalised(norm: Norm, shape: tuple[int, ...], seeds: Sequence[int]) -> list[nn.Module]:
    return [] if norm == "none" else [_NORMS[norm](shape, seeds)]
