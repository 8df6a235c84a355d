"""Layers for plain modules whose weights are bits, from real-valued latent weights.

The layer multiplies by the bits of its latent weights w: -1 and +1, fired by the neuron of the run,
with the gradient of its estimator. Where they are `scaled`, those of each output have the factor
alpha = mean(abs(w)). After each update the latent weights are clipped to [-1, 1].

Sources: BinaryConnect, Courbariaux et al. (2015), arXiv 1511.00363; BinaryNet, Courbariaux et al.
(2016), arXiv 1602.02830; scales: XNOR-Net, Rastegari et al. (2016), arXiv 1603.05279.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnrun.core.initial import Init, initialize
from bnrun.core.layers import Activation
from bnrun.core.sites import Site
from bnrun.models.stages import HiddenLayer

Weights = Literal["real", "binary", "scaled"]
"""What weights are: real numbers, -1 and +1, or the latter with a scale per output."""
Norm = Literal["none", "layer", "batch"]


class BinaryWeight(nn.Module):
    """The bits of a latent weight [out, ...], which stays in [-1, 1]."""

    def __init__(self, latent: nn.Parameter, scaled: bool) -> None:
        super().__init__()
        self.latent, self.scaled = latent, scaled
        self.bits = Site(shared=True, signed=True)

    def forward(self) -> Tensor:
        """Weights of the shape of the latent ones."""
        bits: Tensor = self.bits(self.latent)
        if not self.scaled:
            return bits
        return bits * self.latent.abs().mean(list(range(1, self.latent.dim())), keepdim=True)

    def after_update(self) -> None:
        """Clip the latent weights; called without gradient."""
        self.latent.clamp_(-1, 1)


class BinaryLinear(nn.Module):
    """Affine map with binary weights, [N, inputs] -> [N, outputs]."""

    def __init__(self, inputs: int, outputs: int, bias: bool, scaled: bool, init: Init) -> None:
        super().__init__()
        latent = initialize(torch.empty(outputs, inputs), init)
        self.weight = BinaryWeight(nn.Parameter(latent), scaled)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight(), self.bias)


class BinaryConv2d(nn.Module):
    """Convolution with binary weights that keeps the size of images if `stride` is 1."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, bias: bool, scaled: bool, init: Init,
        stride: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        latent = initialize(torch.empty(outputs, inputs, kernel, kernel), init)
        self.weight = BinaryWeight(nn.Parameter(latent), scaled)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.stride, self.padding = stride, kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight(), self.bias, self.stride, self.padding)


def linear(inputs: int, outputs: int, weights: Weights, bias: bool, init: Init) -> nn.Module:
    """A linear layer with such weights; biases start at 0."""
    if weights != "real":
        return BinaryLinear(inputs, outputs, bias, weights == "scaled", init)
    layer = nn.Linear(inputs, outputs, bias)
    return _started(layer, init)


def convolution(
    inputs: int, outputs: int, kernel: int, weights: Weights, bias: bool, init: Init
) -> nn.Module:
    """A convolution with such weights that keeps the size of images; biases start at 0."""
    if weights != "real":
        return BinaryConv2d(inputs, outputs, kernel, bias, weights == "scaled", init)
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    return _started(layer, init)


def _started(layer: nn.Linear | nn.Conv2d, init: Init) -> nn.Module:
    initialize(layer.weight.detach(), init)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def normalized(norm: Norm, features: int, images: bool = False) -> list[nn.Module]:
    """The norm of a layer's logits, [N, C] or [N, C, H, W]; nothing if it is "none"."""
    match norm:
        case "none":
            return []
        case "layer":
            return [nn.GroupNorm(1, features)]
        case "batch":
            return [nn.BatchNorm2d(features) if images else nn.BatchNorm1d(features)]


def units(kind: HiddenLayer) -> nn.Module:
    """Units of a hidden layer, as a part of a plain module."""
    return Site() if kind == "binary" else Activation(kind)


def head(inputs: int, outputs: int, weights: Weights, norm: Norm, init: Init) -> list[nn.Module]:
    """The last layer; with norm=batch also a norm, because sums of bits are large."""
    normed = weights != "real" and norm == "batch"
    last = linear(inputs, outputs, weights, bias=not normed, init=init)
    return [last, *(normalized("batch", outputs) if normed else [])]
