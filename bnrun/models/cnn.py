"""Convolutional net with two convolutions and one dense layer."""

from collections.abc import Sequence
from math import prod
from typing import Literal

from torch import Tensor, nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.layers import Activation, Crop, LayerNorm, MaxPool2d
from bnrun.core.products import Conv2d, Linear
from bnrun.models.base import Model

Layer = Literal["binary", "relu", "tanh", "sigmoid"]


@validated
class CNN(Model):
    """Twice convolution, pooling, units; then a dense layer of units, and the head.

    channels  feature maps of the two convolutions
    kernel    side of the convolution windows; padding keeps the image's size
    dense     units of the dense layer
    layers    what each of the three hidden layers is made of: "binary" or a real activation
    pool      "logits" takes the maximum of the logits, so that units fire after pooling; "bits"
              takes the maximum of the activations; both halve the side
    norm      "layer" normalises the logits of each layer before its units, "none" does not
    init      initial weights, by name (see bnrun.core.initial.initial_weight); biases start at 0
    """

    channels: tuple[PositiveInt, PositiveInt] = (16, 32)
    kernel: PositiveInt = 3
    dense: PositiveInt = 128
    layers: Layer | tuple[Layer, Layer, Layer] = "binary"
    pool: Literal["logits", "bits"] = "logits"
    norm: Literal["none", "layer"] = "layer"
    init: Init = "default"

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel={self.kernel} is even: the window needs a centre, use 3 or 5")
        if "binary" not in self.kinds:
            raise ValueError(
                f"layers={list(self.kinds)} has no binary layer: make at least one of them binary"
            )

    @property
    def kinds(self) -> tuple[Layer, ...]:
        """What each hidden layer is made of."""
        return (self.layers,) * 3 if isinstance(self.layers, str) else self.layers

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """The net for images of `shape` (C, H, W), one replica per seed.

        Raises ValueError for inputs that are no images, or too small to be halved twice.
        """
        if len(shape) != 3 or min(shape[1:]) < 4:
            raise ValueError(
                f"model=cnn needs images of at least 4 x 4 pixels, but the dataset has inputs of "
                f"shape {tuple(shape)}: choose model=mlp"
            )
        stages: list[nn.Module] = []
        units: list[int] = []
        pending: list[nn.Module] = [nn.Flatten(start_dim=-3)]
        for number, kind in enumerate(self.kinds[:2], start=1):
            pending += self._convolution(shape, number, seeds)
            shape = (self.channels[number - 1], shape[1] // 2, shape[2] // 2)
            # Units fire on the whole image where it is their bits that are pooled.
            units.append(prod(shape) * (4 if self.pool == "bits" else 1))
            pending = _units(kind, pending, stages)
            if self.pool == "bits":
                whole = (shape[0], 2 * shape[1], 2 * shape[2])
                pending += [nn.Unflatten(-1, whole), MaxPool2d(2), nn.Flatten(start_dim=-3)]
        pending.append(Linear(prod(shape), self.dense, seeds, "dense", self.init))
        if self.norm == "layer":
            pending.append(LayerNorm((self.dense,), seeds))
        pending = _units(self.kinds[2], pending, stages)
        pending.append(Linear(self.dense, outputs, seeds, "head", self.init))
        units.append(self.dense)
        binary = [n for n, kind in zip(units, self.kinds, strict=True) if kind == "binary"]
        return _FilterCNN(stages, nn.Sequential(*pending), binary)

    def _convolution(
        self, shape: Sequence[int], number: int, seeds: Sequence[int]
    ) -> list[nn.Module]:
        channels, height, width = shape
        outputs = self.channels[number - 1]
        layers: list[nn.Module] = [
            nn.Unflatten(-1, (channels, height, width)),
            Conv2d(channels, outputs, self.kernel, seeds, f"conv{number}", self.init),
        ]
        # An odd row or column is cut off, so that both ways of pooling halve the same image.
        layers.append(Crop(2 * (height // 2), 2 * (width // 2)))
        if self.pool == "logits":
            layers.append(MaxPool2d(2))
        if self.norm == "layer":
            scale = 2 if self.pool == "logits" else 1
            size = (2 * (height // 2) // scale, 2 * (width // 2) // scale)
            layers.append(LayerNorm((outputs, *size), seeds))
        return [*layers, nn.Flatten(start_dim=-3)]


def _units(kind: Layer, pending: list[nn.Module], stages: list[nn.Module]) -> list[nn.Module]:
    """Close a hidden layer: a binary one ends a stage, a real one goes on in it."""
    if kind == "binary":
        stages.append(nn.Sequential(*pending))
        return []
    return [*pending, Activation(kind)]


class _FilterCNN(Chain):
    def filters(self) -> Tensor:
        first = next(layer for layer in self.modules() if isinstance(layer, Conv2d))
        return first.weight.detach()[0].mean(1)
