"""Layers whose parameters have a leading replica axis R: all seeds in one batched product."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnrun.core.noise import stream
from bnrun.kernels.narrow import NARROW, narrow_product

Init = Literal[
    "default",
    "kaiming_uniform",
    "kaiming_normal",
    "xavier_uniform",
    "xavier_normal",
    "orthogonal",
    "normal",
    "trunc_normal",
]


def initial_weight(shape: Sequence[int], seeds: Sequence[int], name: str, init: Init) -> Tensor:
    """Weights [R, *shape] in float64, replica r from its seed and the layer's name alone.

    shape  (out, in) or (out, in, height, width)
    init   a scheme of torch.nn.init by name; "default" is uniform on +-1/sqrt(fan in), what
           torch's layers do; "normal" has the standard deviation .02, "trunc_normal" too, before
           what is beyond twice of it is drawn again
    """
    return torch.stack([_initialised(shape, seed, name, init) for seed in seeds])


def _initialised(shape: Sequence[int], seed: int, name: str, init: Init) -> Tensor:
    seed_of_layer = int(stream(seed, "weights", name).integers(2**62))
    generator = torch.Generator().manual_seed(seed_of_layer)
    weight = torch.empty(*shape, dtype=torch.float64)
    if init == "default":
        return nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
    if init == "normal":
        return nn.init.normal_(weight, std=0.02, generator=generator)
    if init == "trunc_normal":
        return nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04, generator=generator)
    fill = getattr(nn.init, init + "_")
    return fill(weight, generator=generator)


class Products(nn.Module):
    """A layer of products: their precision may be lower than that of all the rest.

    low  dtype of the factors and of the result before it is cast back, e.g. torch.bfloat16; None
         for that of the inputs
    """

    low: torch.dtype | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.low is None:
            return self.multiplied(x)
        with torch.autocast(x.device.type, self.low):
            return self.multiplied(x).to(x.dtype)

    @abstractmethod
    def multiplied(self, x: Tensor) -> Tensor:
        """The layer's outputs."""


def multiply_in(net: nn.Module, dtype: torch.dtype) -> None:
    """Let all products of the net have factors of that dtype; weights and sums stay as they are."""
    for layer in net.modules():
        if isinstance(layer, Products):
            layer.low = dtype


class Linear(Products):
    """Affine map [*S, R, B, inputs] -> [*S, R, B, outputs], one batched product for all R."""

    def __init__(
        self, inputs: int, outputs: int, seeds: Sequence[int], name: str, init: Init
    ) -> None:
        super().__init__()
        weight = initial_weight((outputs, inputs), seeds, name, init)
        # [R, in, out]: the layout that baddbmm multiplies without a transpose.
        self.weight = nn.Parameter(
            weight.transpose(1, 2).contiguous().to(torch.get_default_dtype())
        )
        self.bias = nn.Parameter(torch.zeros(len(seeds), 1, outputs))

    def multiplied(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return self._product(x)
        replicas, inputs = x.shape[-3], x.shape[-1]
        y = self._product(x.movedim(-3, 0).reshape(replicas, -1, inputs))
        return y.unflatten(1, (*x.shape[:-3], x.shape[-2])).movedim(0, -3)

    def _product(self, x: Tensor) -> Tensor:
        narrow = self.weight.shape[-1] < NARROW and self.low is None
        if narrow and x.device.type == "cpu":
            return narrow_product(x, self.weight, self.bias)
        return torch.baddbmm(self.bias, x, self.weight)


class Conv2d(Products):
    """Convolution [*S, R, B, C, H, W] -> [*S, R, B, O, H, W].

    Replicas are folded in groups, but for images of one channel on a CPU.

    padding  rows and columns of zeros on each side; None keeps the size of the image
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        kernel: int,
        seeds: Sequence[int],
        name: str,
        init: Init,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        weight = initial_weight((outputs, channels, kernel, kernel), seeds, name, init)
        self.weight = nn.Parameter(weight.to(torch.get_default_dtype()))
        self.bias = nn.Parameter(torch.zeros(len(seeds), outputs))
        self.padding = kernel // 2 if padding is None else padding

    def multiplied(self, x: Tensor) -> Tensor:
        if x.shape[-3] == 1 and x.device.type == "cpu":
            return self._one_by_one(x)
        y = F.conv2d(
            _grouped(x),
            self.weight.flatten(0, 1),
            self.bias.flatten(),
            padding=self.padding,
            groups=len(self.bias),
        )
        return _ungrouped(y, x)

    def _one_by_one(self, x: Tensor) -> Tensor:
        """A convolution per replica: .4 of the time for a single channel, 1.1 for 16 of them."""
        outputs = [
            F.conv2d(images.flatten(0, -4), weight, bias, padding=self.padding)
            for images, weight, bias in zip(x.unbind(-5), self.weight, self.bias, strict=True)
        ]
        return torch.stack(outputs).unflatten(1, (*x.shape[:-5], x.shape[-4])).movedim(0, -5)


class ConvTranspose2d(Products):
    """Transposed convolution without padding, replicas folded in groups.

    [*S, R, B, C, H, W] -> [*S, R, B, O, (H - 1) stride + kernel, (W - 1) stride + kernel]
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        kernel: int,
        stride: int,
        seeds: Sequence[int],
        name: str,
        init: Init,
    ) -> None:
        super().__init__()
        weight = initial_weight((channels, outputs, kernel, kernel), seeds, name, init)
        self.weight = nn.Parameter(weight.to(torch.get_default_dtype()))
        self.bias = nn.Parameter(torch.zeros(len(seeds), outputs))
        self.stride = stride

    def multiplied(self, x: Tensor) -> Tensor:
        y = F.conv_transpose2d(
            _grouped(x),
            self.weight.flatten(0, 1),
            self.bias.flatten(),
            stride=self.stride,
            groups=len(self.bias),
        )
        return _ungrouped(y, x)


def _grouped(x: Tensor) -> Tensor:
    """Images [*S, R, B, C, H, W] as [S*B, R*C, H, W]: a replica is a group of channels."""
    return x.movedim(-5, -4).flatten(-4, -3).flatten(0, -4)


def _ungrouped(y: Tensor, x: Tensor) -> Tensor:
    """What a layer has made of _grouped(x), [S*B, R*O, H, W], as [*S, R, B, O, H, W]."""
    leading = (*x.shape[:-5], x.shape[-4])
    return y.unflatten(1, (x.shape[-5], -1)).unflatten(0, leading).movedim(-4, -5)


class Crop(nn.Module):
    """The first rows and columns of images, [..., H, W] -> [..., height, width]."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : self.height, : self.width]


class MaxPool2d(nn.Module):
    """Maximum over windows of size x size, [*S, R, B, C, H, W] -> [*S, R, B, C, H/size, W/size].

    whole  the last rows and columns have a window too where they do not fill one
    """

    def __init__(self, size: int, whole: bool = False) -> None:
        super().__init__()
        self.size, self.whole = size, whole

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.max_pool2d(x.flatten(0, -4), self.size, ceil_mode=self.whole)
        return pooled.unflatten(0, x.shape[:-3])


class LayerNorm(nn.Module):
    """Each example's units to mean 0 and variance 1, then a learned scale and shift per channel.

    [*S, R, B, *shape] -> the same; `shape` is (U,) or (C, H, W), channels first. It works on one
    example at a time, so the loss stays a function of each example's own bits.
    Source: Ba, Kiros, Hinton, Layer Normalization (2016), arXiv 1607.06450.
    """

    def __init__(self, shape: Sequence[int], seeds: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        broadcast = (len(seeds), 1, shape[0], *[1] * (len(shape) - 1))
        self.scale = nn.Parameter(torch.ones(broadcast))
        self.shift = nn.Parameter(torch.zeros(broadcast))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.shape) * self.scale + self.shift


class Affine(nn.Module):
    """A learned scale and shift per channel, and no normalising.

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


class BatchNorm(Affine):
    """Each channel to mean 0 and variance 1 over the examples of a replica, then a scale and shift.

    [*S, R, B, *shape] -> the same. There are no running averages: a net is evaluated with the
    statistics of the examples that it is given together. The loss of an example depends on the
    others, so it belongs in front of binary layers and not behind them.
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
