"""Critics: from an image to one number, larger for images that look real."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import nn

from bnrun.core.fields import PositiveInt, UnitInterval, validated
from bnrun.core.initial import Init
from bnrun.core.layers import MaxPool2d
from bnrun.core.products import Conv2d, Linear


@validated
class Critic(ABC):
    """The description of a critic, chosen by `critic@task.critic=`. A subclass must define `build`.

    leak  slope of the leaky ReLU below 0
    init  initial weights, by name (see bnrun.core.initial.initial_weight); biases start at 0
    """

    leak: UnitInterval = 0.2
    init: Init = "trunc_normal"

    @abstractmethod
    def build(self, shape: Sequence[int], seeds: Sequence[int]) -> nn.Module:
        """Build the net [*S, R, B, U] -> [*S, R, B, 1], with one replica per seed.

        No layer may mix examples.

        shape  (C, H, W) of an image of U pixels
        """


@validated
class MLPCritic(Critic):
    """Fully connected layers.

    hidden  units of each hidden layer
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (512, 256)

    def build(self, shape: Sequence[int], seeds: Sequence[int]) -> nn.Module:
        channels, height, width = shape
        units = [channels * height * width, *self.hidden, 1]
        return nn.Sequential(*_dense(units, self.leak, self.init, seeds))


@validated
class CNNCritic(Critic):
    """Convolutions without padding, each max-pooled to half the side; then dense layers.

    channels  feature maps of each convolution
    kernel    side of the convolution windows
    dense     units of the hidden dense layer
    """

    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64)
    kernel: PositiveInt = 3
    dense: PositiveInt = 128

    def build(self, shape: Sequence[int], seeds: Sequence[int]) -> nn.Module:
        """Build the net. Raises ValueError if the images are too small for the convolutions."""
        maps, height, width = shape
        layers: list[nn.Module] = [nn.Unflatten(-1, tuple(shape))]
        for number, channels in enumerate(self.channels, start=1):
            name = f"critic_convolution{number}"
            layers.append(Conv2d(maps, channels, self.kernel, seeds, name, self.init, padding=0))
            layers += [nn.LeakyReLU(self.leak), MaxPool2d(2, whole=True)]
            # Pooling halves what is left, and rounds up.
            height, width = ((side - self.kernel + 2) // 2 for side in (height, width))
            maps = channels
        if min(height, width) < 1:
            raise ValueError(
                f"critic=cnn has {len(self.channels)} convolutions, too many for images of "
                f"{shape[1]} x {shape[2]} pixels: choose critic=mlp, or fewer channels"
            )
        layers.append(nn.Flatten(start_dim=-3))
        units = [maps * height * width, self.dense, 1]
        return nn.Sequential(*layers, *_dense(units, self.leak, self.init, seeds))


def _dense(units: Sequence[int], leak: float, init: Init, seeds: Sequence[int]) -> list[nn.Module]:
    """Dense layers between these numbers of units, with leaky ReLUs between them."""
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(units), start=1):
        layers += [Linear(before, after, seeds, f"critic{number}", init), nn.LeakyReLU(leak)]
    return layers[:-1]
