"""Linear and convolutional layers whose parameters have a leading replica axis R.

One batched product serves all replicas.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnrun.core.initial import Init, initial_weight
from bnrun.kernels.narrow import NARROW, narrow_product


def stacked(replicas: Sequence[Tensor], axis: int) -> Tensor:
    """The replicas side by side on a new axis; a stack of one is not a copy."""
    if len(replicas) == 1:
        return replicas[0].unsqueeze(axis)
    return torch.stack(list(replicas)).movedim(0, axis)


class ProductLayer(nn.Module):
    """A layer whose products may be computed in a lower precision than everything else.

    product_dtype  dtype of the factors, e.g. torch.bfloat16; the result is cast back. None
                   computes in the dtype of the inputs
    """

    product_dtype: torch.dtype | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.product_dtype is None:
            return self.multiply(x)
        with torch.autocast(x.device.type, self.product_dtype):
            return self.multiply(x).to(x.dtype)

    @abstractmethod
    def multiply(self, x: Tensor) -> Tensor:
        """The layer's outputs."""


def set_product_dtype(net: nn.Module, dtype: torch.dtype) -> None:
    """Compute all products of the net with factors of `dtype`; weights and sums keep theirs.

    Raises ValueError if the net has none of these layers.
    """
    layers = [layer for layer in net.modules() if isinstance(layer, ProductLayer)]
    if not layers:
        raise ValueError(
            f"trainer.products={str(dtype).removeprefix('torch.')} is for the layers of "
            f"bnrun.core.products, and the model has none: set trainer.products=null"
        )
    for layer in layers:
        layer.product_dtype = dtype


class Linear(ProductLayer):
    """Affine map [*S, R, B, inputs] -> [*S, R, B, outputs]."""

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

    def multiply(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return self._product(x)
        replicas, inputs = x.shape[-3], x.shape[-1]
        y = self._product(x.movedim(-3, 0).reshape(replicas, -1, inputs))
        return y.unflatten(1, (*x.shape[:-3], x.shape[-2])).movedim(0, -3)

    def _product(self, x: Tensor) -> Tensor:
        narrow = self.weight.shape[-1] < NARROW and self.product_dtype is None
        if narrow and x.device.type == "cpu":
            return narrow_product(x, self.weight, self.bias)
        return torch.baddbmm(self.bias, x, self.weight)


class _Convolution(ProductLayer):
    """Weights of a convolution, and all replicas in one call, as groups of channels.

    shape    of one replica's weight
    outputs  channels
    """

    def __init__(
        self, shape: Sequence[int], outputs: int, seeds: Sequence[int], name: str, init: Init
    ) -> None:
        super().__init__()
        weight = initial_weight(shape, seeds, name, init)
        self.weight = nn.Parameter(weight.to(torch.get_default_dtype()))
        self.bias = nn.Parameter(torch.zeros(len(seeds), outputs))

    def in_groups(self, convolve: Callable[..., Tensor], x: Tensor, **options: int) -> Tensor:
        """Convolve images [*S, R, B, C, H, W] with torch's function, [*S, R, B, O, H', W']."""
        replicas = len(self.bias)
        folded = x.movedim(-5, -4).flatten(-4, -3).flatten(0, -4)  # [S*B, R*C, H, W]
        y = convolve(
            folded, self.weight.flatten(0, 1), self.bias.flatten(), groups=replicas, **options
        )
        leading = (*x.shape[:-5], x.shape[-4])
        return y.unflatten(1, (replicas, -1)).unflatten(0, leading).movedim(-4, -5)


class Conv2d(_Convolution):
    """Convolution [*S, R, B, C, H, W] -> [*S, R, B, O, H, W].

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
        super().__init__((outputs, channels, kernel, kernel), outputs, seeds, name, init)
        self.padding = kernel // 2 if padding is None else padding

    def multiply(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return self.in_groups(F.conv2d, x, padding=self.padding)
        # .4 of the time of groups for one channel, .8 for 16 channels.
        return stacked([self.of_replica(r, images) for r, images in enumerate(x.unbind(-5))], -5)

    def of_replica(self, replica: int, images: Tensor) -> Tensor:
        """The convolution of one replica alone, [*S, B, C, H, W] -> [*S, B, O, H, W]."""
        weight, bias = self.weight[replica], self.bias[replica]
        y = F.conv2d(images.flatten(0, -4), weight, bias, padding=self.padding)
        return y.unflatten(0, images.shape[:-3])


class ConvTranspose2d(_Convolution):
    """Transposed convolution without padding.

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
        super().__init__((channels, outputs, kernel, kernel), outputs, seeds, name, init)
        self.stride = stride

    def multiply(self, x: Tensor) -> Tensor:
        return self.in_groups(F.conv_transpose2d, x, stride=self.stride)
