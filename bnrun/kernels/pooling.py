"""The maximum over windows of pixels, with a fast way for 2 x 2 pixels on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def max_pool(images: Tensor, size: int, whole: bool = False) -> Tensor:
    """The maximum over windows of size x size pixels, [..., C, H, W] -> [..., C, H/size, W/size].

    whole  whether the last rows and columns get a window even if they do not fill it; otherwise
           they are dropped
    """
    height, width = images.shape[-2:]
    if size == 2 and images.device.type == "cpu" and not (whole and (height % 2 or width % 2)):
        return halved(images[..., : height // 2 * 2, : width // 2 * 2])
    pooled = F.max_pool2d(images.flatten(0, -4), size, ceil_mode=whole)
    return pooled.unflatten(0, images.shape[:-3])


def halved(images: Tensor) -> Tensor:
    """The maximum over windows of 2 x 2 pixels, [..., H, W] -> [..., H/2, W/2], for even H and W.

    The gradient goes to the first pixel of the window, by rows, that has the maximum. All as in
    torch.nn.functional.max_pool2d, in a third of its time: that looks at one pixel after another.
    """
    halved: Tensor = _Halved.apply(images)  # type: ignore[no-untyped-call]  # torch's own
    return halved


class _Halved(torch.autograd.Function):
    """Copies every second column first: torch is four times slower on them where they are."""

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        left, right = images[..., 0::2].contiguous(), images[..., 1::2].contiguous()
        wider = torch.maximum(left, right)
        upper, lower = wider[..., 0::2, :], wider[..., 1::2, :]
        ctx.save_for_backward(_first(left, right), _first(upper, lower))
        return torch.maximum(upper, lower)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad: Tensor = _Placed.apply(*grads, *ctx.saved_tensors)  # type: ignore[no-untyped-call]
        return grad


def _first(one: Tensor, other: Tensor) -> Tensor:
    """1[one >= other], as a factor: torch would convert bools in every product."""
    return torch.ge(one, other, out=one.new_empty(one.shape))


class _Placed(torch.autograd.Function):
    """The derivative of `halved`: every value at its pixel of the window, zeros elsewhere.

    By products with the masks, because torch.where takes six times as long.
    """

    @staticmethod
    def forward(ctx: Any, grad: Tensor, left: Tensor, upper: Tensor) -> Tensor:
        ctx.save_for_backward(left, upper)
        wider = grad.new_empty(left.shape)
        torch.mul(grad, upper, out=wider[..., 0::2, :])
        torch.sub(grad, wider[..., 0::2, :], out=wider[..., 1::2, :])
        first = wider * left
        # A complex number is two numbers side by side, and nothing else interleaves as fast.
        return torch.view_as_real(torch.complex(first, wider - first)).flatten(-2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (grad,) = grads
        left, upper = (mask > 0 for mask in ctx.saved_tensors)
        wider = torch.where(left, grad[..., 0::2], grad[..., 1::2])
        return torch.where(upper, wider[..., 0::2, :], wider[..., 1::2, :]), None, None
