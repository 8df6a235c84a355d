"""The score, and the derivative of the loss by the bits."""

from collections.abc import Callable

import torch
from torch import Tensor

from bnrun.core.network import Downstream
from bnrun.core.neurons import Neuron


def score(neuron: Neuron, logits: Tensor, bits: Tensor) -> Tensor:
    """d log P(bits) / d logits = score_slope * (bits - p), all [*S, R, B, U], without gradient."""
    return neuron.score_slope(logits) * (bits - neuron.probability(logits.detach()))


def differentiate(
    neuron: Neuron, downstream: Downstream, bits: Tensor, retain_graph: bool = False
) -> tuple[Tensor, Tensor]:
    """Losses at `bits` (or at values between 0 and 1), and their derivative there.

    bits          [*S, R, B, U]
    retain_graph  True if the losses will be differentiated again

    Returns losses [*S, R, B], connected to the weights downstream, and the derivative
    [*S, R, B, U] without a graph. Does not touch the gradients of the weights.
    """
    losses, derivative = value_and_derivative(
        lambda b: downstream(neuron.encode(b)), bits.detach(), retain_graph=retain_graph
    )
    return losses, derivative.detach()


def value_and_derivative(
    function: Callable[[Tensor], Tensor],
    point: Tensor,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> tuple[Tensor, Tensor]:
    """`function` at a point, and the derivative of the sum of its values by that point.

    Raises ValueError if the function is not differentiable.
    """
    if torch._C._are_functorch_transforms_active():
        values, pull_back, *_ = torch.func.vjp(function, point)
        return values, pull_back(torch.ones_like(values))[0]
    leaf = point.detach().requires_grad_()
    values = function(leaf)
    if not values.requires_grad:
        raise ValueError(
            "downstream is not differentiable by the activations (a comparison, argmax or "
            "detach), but this estimator needs that derivative: use one that does not, like "
            "estimator=disarm or estimator=reinforce"
        )
    (derivative,) = torch.autograd.grad(
        values.sum(), leaf, retain_graph=retain_graph or create_graph, create_graph=create_graph
    )
    return values, derivative
