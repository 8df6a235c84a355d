"""A stochastic binary neuron as the sign of its logit plus logistic noise."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bnrun.core.neurons import Neuron


def latent(neuron: Neuron, logits: Tensor, uniform: Tensor) -> Tensor:
    """z = slope * logit + logistic noise; positive where the SBN fires for the same uniform.

    logits, uniform and result are [*S, R, B, U]; differentiable by the logits.
    """
    return neuron.slope * logits - torch.logit(positive(uniform))


def conditional_latent(neuron: Neuron, logits: Tensor, bits: Tensor, uniform: Tensor) -> Tensor:
    """A sample of z given the bit: positive if the bit is 1, negative if it is 0.

    With sign = 2 b - 1: sign * softplus(logit(u) - log sigmoid(-sign * slope * logit)).
    All broadcast to [*S, R, B, U]; differentiable by the logits at fixed bits and uniforms.
    Source: Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein, REBAR (2017), arXiv 1703.07370; written
    without a division by the probability, which may be exactly 0.
    """
    sign = 2 * bits - 1
    opposite = logsigmoid(-sign * neuron.slope * logits)
    return -sign * logsigmoid(opposite - torch.logit(positive(uniform)))


def positive(uniform: Tensor) -> Tensor:
    """The uniform, with an exact 0 replaced: its latent would be infinite even at probability 0."""
    return uniform.clamp(min=torch.finfo(uniform.dtype).tiny)
