"""Affine maps to few outputs, such as the head of a net with ten classes."""

from typing import Any

import torch
from torch import Tensor

NARROW = 16
"""Below this number of outputs, MKL is 2 to 4 times slower by rows than by columns."""


def narrow_product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """bias + x @ weight: [R, B, U], [R, U, O], [R, 1, O] -> [R, B, O], computed as [R, O, B]."""
    return _NarrowProduct.apply(x, weight, bias)  # type: ignore[no-untyped-call]  # torch's own


class _NarrowProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias.mT, weight.mT, x.mT).mT

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        return (
            torch.bmm(grad, weight.mT) if for_x else None,
            # torch's derivative is x^T grad, which has rows of outputs and is slower.
            torch.bmm(grad.mT, x).mT if for_weight else None,
            grad.sum(1, keepdim=True) if for_bias else None,
        )
