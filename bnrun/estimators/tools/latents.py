"""A stochastic binary neuron as the sign of its logit plus noise."""

from torch import Tensor

from bnrun.core.laws import positive
from bnrun.core.neurons import Neuron


def latent(neuron: Neuron, logits: Tensor, uniform: Tensor) -> Tensor:
    """z = slope * logit + noise of the neuron's law; positive where it fires for the same uniform.

    logits, uniform and result are [*S, R, B, U]; differentiable with respect to the logits.
    """
    return neuron.slope * logits - neuron.law.quantile(positive(uniform))


def conditional_latent(neuron: Neuron, logits: Tensor, bits: Tensor, uniform: Tensor) -> Tensor:
    """A sample of z given the bit: positive if the bit is 1, negative if it is 0.

    All broadcast to [*S, R, B, U]; differentiable in the logits at fixed bits and
    uniforms.
    Source: Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein, REBAR (2017), arXiv 1703.07370.
    """
    sign = 2 * bits - 1
    return sign * neuron.law.truncated(sign * neuron.slope * logits, uniform)
