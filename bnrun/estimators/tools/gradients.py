"""Activations and losses with a custom gradient."""

from typing import Any

import torch
from torch import Tensor

_NO_SECOND = (
    "an estimate is not a function of the logits that could be differentiated again, so that a "
    "gradient penalty through it would add nothing: use estimator=exact or gumbel_sigmoid, or do "
    "without the second derivative"
)


def _once(gradient: Tensor, logits: Tensor) -> Tensor:
    """`gradient` as a backward pass returns it; differentiating it once more raises."""
    if torch._C._are_functorch_transforms_active():
        levels = torch._C._functorch.get_interpreter_stack() or []
        grads = [level for level in levels if level.key() == torch._C._functorch.TransformType.Grad]
        if len(grads) > 1:
            raise RuntimeError(_NO_SECOND)
        return gradient
    # Autograd is on inside a backward pass for create_graph=True only.
    if not torch.is_grad_enabled():
        return gradient
    return _Once.apply(gradient, logits)  # type: ignore[no-untyped-call]  # torch's own


class _Once(torch.autograd.Function):
    """The logits make it a function of what the caller may differentiate with respect to."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, logits: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None]:
        raise RuntimeError(_NO_SECOND)


class _WithDerivative(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(activations: Tensor, logits: Tensor, multiplier: Tensor) -> Tensor:
        return activations.view_as(activations)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], inputs[2])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        logits, multiplier = ctx.saved_tensors
        return None, _once(grads[0] * multiplier, logits), None


def with_derivative(activations: Tensor, logits: Tensor, multiplier: Tensor) -> Tensor:
    """`activations`, with d activation / d logit = multiplier in the backward pass.

    All [*S, R, B, U]. The values are returned unchanged, to the bit.
    """
    return _WithDerivative.apply(activations, logits, multiplier.detach())  # type: ignore[no-untyped-call]  # torch's own


class _Rescaled(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(activations: Tensor, logits: Tensor, direction: Tensor, norm: Tensor) -> Tensor:
        return activations.view_as(activations)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None, None]:
        logits, direction, norm = ctx.saved_tensors
        # Divided by the largest one first, because squares of small numbers underflow.
        largest = grads[0].abs().amax((-2, -1), keepdim=True)
        unit = torch.where(largest > 0, grads[0] / largest, 0.0)
        along, other = (
            torch.linalg.vector_norm(unit * multiplier, dim=(-2, -1), keepdim=True)
            for multiplier in (direction, norm)
        )
        factor = torch.where(along > 0, other / along, 0.0)
        return None, _once(grads[0] * direction * factor, logits), None, None


def rescaled(activations: Tensor, logits: Tensor, direction: Tensor, norm: Tensor) -> Tensor:
    """`activations`, whose backward pass has one multiplier's direction and another one's norm.

    The gradient is that of d activation / d logit = `direction`, times one factor per replica (and
    per leading axis), so that its norm over examples and units is that of multiplier `norm`. All
    [*S, R, B, U]. The values are returned unchanged, to the bit.
    """
    return _Rescaled.apply(activations, logits, direction.detach(), norm.detach())  # type: ignore[no-untyped-call]  # torch's own


class _PassedTo(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(activations: Tensor, surrogate: Tensor) -> Tensor:
        return activations.view_as(activations)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]


def with_gradient_of(activations: Tensor, surrogate: Tensor) -> Tensor:
    """`activations`, whose gradient is passed on to `surrogate`; both [*S, R, B, U]."""
    return _PassedTo.apply(activations, surrogate)  # type: ignore[no-untyped-call]  # torch's own


class _Injected(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(loss: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
        return loss.view_as(loss)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], inputs[2])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        logits, gradient = ctx.saved_tensors
        return grads[0], _once(grads[0].unsqueeze(-1) * gradient, logits), None


def inject(loss: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """`loss` [*S, R, B], with `gradient` [*S, R, B, U] added to the gradient of the logits.

    The value of the loss does not change, nor do its other gradients.
    """
    return _Injected.apply(loss, logits, gradient.detach())  # type: ignore[no-untyped-call]  # torch's own
