"""Activations and losses with a custom gradient."""

from typing import Any

import torch
from torch import Tensor


class _WithDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activations: Tensor, logits: Tensor, multiplier: Tensor) -> Tensor:
        ctx.save_for_backward(multiplier)
        return activations.view_as(activations)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        (multiplier,) = ctx.saved_tensors
        return None, grads[0] * multiplier, None


def with_derivative(activations: Tensor, logits: Tensor, multiplier: Tensor) -> Tensor:
    """`activations`, with d activation / d logit = multiplier in the backward pass.

    All [*S, R, B, U]. The values are returned unchanged, to the bit.
    """
    return _WithDerivative.apply(activations, logits, multiplier.detach())  # type: ignore[no-untyped-call]  # torch's own


class _PassedTo(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activations: Tensor, surrogate: Tensor) -> Tensor:
        return activations.view_as(activations)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]


def with_gradient_of(activations: Tensor, surrogate: Tensor) -> Tensor:
    """`activations`, whose gradient is passed on to `surrogate`; both [*S, R, B, U]."""
    return _PassedTo.apply(activations, surrogate)  # type: ignore[no-untyped-call]  # torch's own


class _Injected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.view_as(loss)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return grads[0], grads[0].unsqueeze(-1) * gradient, None


def inject(loss: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """`loss` [*S, R, B], with `gradient` [*S, R, B, U] added to its derivative by the logits.

    The value of the loss does not change, nor do its other gradients.
    """
    return _Injected.apply(loss, logits, gradient.detach())  # type: ignore[no-untyped-call]  # torch's own
