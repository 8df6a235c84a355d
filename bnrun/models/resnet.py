"""Residual nets with binary activations and real-valued skips."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from bnrun.core.fields import PositiveInt, validated
from bnrun.core.modules import Modules
from bnrun.core.network import Network
from bnrun.core.sites import Site
from bnrun.models.base import Model
from bnrun.models.binary_weights import BinaryConv2d, Weights

_STAGES = 3


@validated
class ResNet(Model):
    """A stem, three stages of blocks, and a linear layer: 6 `blocks` + 2 layers.

    blocks  blocks per stage, of two convolutions each: 1 for ResNet-8, 3 for ResNet-20
    width   feature maps of the first stage; each later stage has twice as many, of half the side
    weights "real", or "binary" (-1 and +1) or "scaled" (the same with a scale per output) in the
            convolutions that see bits, see bnrun.models.binary_weights

    All convolutions but that of the stem see bits, fired from the real-valued sum that runs along
    the skips: y = x + norm(conv(bits(x))). Where the size changes, the skip has an average over
    2 x 2 pixels, a convolution of 1 x 1 and a norm. Norms are batch norms, evaluated with their
    running statistics.

    Source: sizes: He et al., Deep Residual Learning (2015), arXiv 1512.03385; a skip around every
    binary convolution: Liu et al., Bi-Real Net (2018), arXiv 1808.00278.
    """

    blocks: PositiveInt = 1
    width: PositiveInt = 16
    weights: Weights = "real"

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Network:
        """Build the nets for images of `shape` (C, H, W).

        Raises ValueError if the inputs are not images.
        """
        if len(shape) != 3:
            raise ValueError(
                f"model=resnet needs images, but the dataset has inputs of shape {tuple(shape)}: "
                f"choose model=mlp"
            )
        make = partial(ResidualNet, shape[0], outputs, self.blocks, self.width, self.weights)
        return Modules(make, shape, outputs, seeds, "model=resnet")


class ResidualNet(nn.Module):
    """The net of one seed, [N, C, H, W] -> [N, outputs]."""

    def __init__(
        self, channels: int, outputs: int, blocks: int, width: int, weights: Weights = "real"
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(width))
        maps = [width << stage for stage in range(_STAGES) for _ in range(2 * blocks)]
        pairs = zip([width, *maps], maps, strict=False)
        self.units = nn.Sequential(*(_Unit(before, after, weights) for before, after in pairs))
        self.head = nn.Linear(maps[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.units(self.stem(x)).mean((-2, -1)))
        return outputs


class _Unit(nn.Module):
    """A convolution of bits and a norm, beside the skip. More maps go with half the side."""

    def __init__(self, before: int, after: int, weights: Weights) -> None:
        super().__init__()
        stride = 1 if before == after else 2
        self.bits = Site()
        self.conv: nn.Module = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        if weights != "real":
            scaled = weights == "scaled"
            self.conv = BinaryConv2d(before, after, 3, False, scaled, "default", stride)
        self.norm = nn.BatchNorm2d(after)
        self.skip: nn.Module = nn.Identity()
        if stride > 1:
            self.skip = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True),
                nn.Conv2d(before, after, 1, bias=False),
                nn.BatchNorm2d(after),
            )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(self.bits(x))) + self.skip(x)
        return y
