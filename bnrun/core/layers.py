"""Layers without products: pooling, normalisation, activations.

Parameters have a leading replica axis R.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnrun.kernels.pooling import max_pool


class Crop(nn.Module):
    """The first rows and columns of images, [..., H, W] -> [..., height, width]."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : self.height, : self.width]


class MaxPool2d(nn.Module):
    """Maximum over windows of size x size, [*S, R, B, C, H, W] -> [*S, R, B, C, H/size, W/size].

    whole  whether the last rows and columns get a window even if they do not fill it; otherwise
           they are dropped
    """

    def __init__(self, size: int, whole: bool = False) -> None:
        super().__init__()
        self.size, self.whole = size, whole

    def forward(self, x: Tensor) -> Tensor:
        return max_pool(x, self.size, self.whole)


class Upsample(nn.Module):
    """Images twice as high and wide, every pixel repeated, [..., H, W] -> [..., 2 H, 2 W]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


class Positions(nn.Module):
    """Feature maps as vectors, position by position, [..., C, H, W] -> [..., H W C]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(-2).mT.flatten(-2)


class FromPositions(nn.Module):
    """The inverse of Positions, [..., H W C] -> [..., C, H, W], for size = (H, W)."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        positions = self.size[0] * self.size[1]
        return x.unflatten(-1, (positions, -1)).mT.unflatten(-1, self.size)


class Spherical(nn.Module):
    """Vectors of `length` units side by side, each divided by its norm, [..., U] -> the same."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x.unflatten(-1, (-1, self.length)), dim=-1).flatten(-2)


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class GroupNorm(nn.Module):
    """Normalises groups of channels of each example, without scale and shift.

    [*S, R, B, C, H, W] -> the same.
    Source: Wu, He, Group Normalization (2018), arXiv 1803.08494.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x.flatten(0, -4), self.groups).unflatten(0, x.shape[:-3])


class Affine(nn.Module):
    """A learned scale and shift per channel, without normalisation.

    [*S, R, B, *shape] -> the same; `shape` is (U,) or (C, H, W), channels first.
    """

    def __init__(self, shape: Sequence[int], seeds: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        broadcast = (len(seeds), 1, shape[0], *[1] * (len(shape) - 1))
        self.scale = nn.Parameter(torch.ones(broadcast))
        self.shift = nn.Parameter(torch.zeros(broadcast))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class LayerNorm(Affine):
    """Normalises the units of each example, then scales and shifts each channel.

    [*S, R, B, *shape] -> the same. Each example is normalised on its own, so its loss remains a
    function of its own bits.
    Source: Ba, Kiros, Hinton, Layer Normalization (2016), arXiv 1607.06450.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.layer_norm(x, self.shape))

    def of_replica(self, replica: int, x: Tensor) -> Tensor:
        """The layer of one replica alone, [*S, B, *shape] -> the same."""
        scale, shift = (p[replica, 0].expand(self.shape) for p in (self.scale, self.shift))
        return F.layer_norm(x, self.shape, scale, shift)


class BatchNorm(Affine):
    """Normalises each channel over a replica's examples, then scales and shifts it.

    [*S, R, B, *shape] -> the same. There are no running averages: a net is evaluated with the
    statistics of the examples in the batch. An example's loss depends on the other examples, so
    the layer belongs before binary layers and not after them.
    Source: Ioffe, Szegedy, Batch Normalization (2015), arXiv 1502.03167.
    """

    def forward(self, x: Tensor) -> Tensor:
        over = (-len(self.shape) - 1, *range(1 - len(self.shape), 0))  # examples, height, width
        variance, mean = torch.var_mean(x, over, correction=0, keepdim=True)
        return super().forward((x - mean) * (variance + 1e-5).rsqrt())


class Activation(nn.Module):
    """A real-valued activation between two binary layers."""

    def __init__(self, name: Literal["relu", "tanh", "sigmoid"]) -> None:
        super().__init__()
        self.function = getattr(torch, name)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.function(x)
        return y
