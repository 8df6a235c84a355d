"""The logistic noise behind a stochastic binary neuron, which fires where its latent is above 0."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bnrun.core.neurons import Neuron


def latent(neuron: Neuron, logits: Tensor, uniform: Tensor) -> Tensor:
    """z = slope * logit + logistic noise; above 0 where the SBN fires for the same uniforms.

    logits, uniform and result [*S, R, B, U]; differentiable by the logits.
    """
    return neuron.slope * logits - torch.logit(positive(uniform))


def conditional_latent(neuron: Neuron, logits: Tensor, bits: Tensor, uniform: Tensor) -> Tensor:
    """z drawn given the bit that it led to: above 0 where the bit is 1, below where it is 0.

    With sign = 2 b - 1: sign * softplus(logit(u) - log sigmoid(-sign * slope * logit)).
    All broadcast to [*S, R, B, U]; differentiable by the logits at fixed bits and uniforms.
    Source: Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein, REBAR (2017), arXiv 1703.07370; in a
    form that divides by no probability, which may be exactly 0 or 1.
    """
    sign = 2 * bits - 1
    opposite = logsigmoid(-sign * neuron.slope * logits)
    return -sign * logsigmoid(opposite - torch.logit(positive(uniform)))


def positive(uniform: Tensor) -> Tensor:
    """The uniform, but for an exact 0, whose latent would be infinite even at probability 0."""
    return uniform.clamp(min=torch.finfo(uniform.dtype).tiny)
