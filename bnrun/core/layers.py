"""Layers without products: pooling, normalisation, activations.

Parameters have a leading replica axis R.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        pooled = F.max_pool2d(x.flatten(0, -4), self.size, ceil_mode=self.whole)
        return pooled.unflatten(0, x.shape[:-3])


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
