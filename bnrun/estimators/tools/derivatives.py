"""The score, and the derivative of the loss by the bits."""

import torch
from torch import Tensor

from bnrun.core.chain import Downstream
from bnrun.core.neurons import Neuron


def score(neuron: Neuron, logits: Tensor, bits: Tensor) -> Tensor:
    """d log P(bits) / d logits = slope * (bits - p), all [*S, R, B, U], without gradient."""
    return neuron.slope * (bits - neuron.probability(logits.detach()))


def differentiate(
    neuron: Neuron, downstream: Downstream, bits: Tensor, retain_graph: bool = False
) -> tuple[Tensor, Tensor]:
    """Losses at `bits` (or at values between 0 and 1), and their derivative by the bits.

    bits          [*S, R, B, U]
    retain_graph  True if the losses will be differentiated again

    Returns losses [*S, R, B], connected to the weights downstream, and the derivative
    [*S, R, B, U] without a graph. Does not touch the gradients of the weights.
    """
    leaf = bits.detach().requires_grad_()
    losses = downstream(neuron.encode(leaf))
    (derivative,) = torch.autograd.grad(losses.sum(), leaf, retain_graph=retain_graph)
    return losses, derivative
