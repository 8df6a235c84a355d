"""Straight-through gated by the bit: only units that fired get a gradient."""

from torch import Tensor

from bnrun.core.fields import validated
from bnrun.estimators.straight_through import StraightThrough


@validated
class GatedST(StraightThrough):
    """Plain straight-through, gated by the unit's own bit.

    forward:  the neuron's bits
    backward: multiplier b, the bit: 1 where the unit fired and 0 where it did not, also for
              signed activations
    Noise law: one-sided exponential. A unit that fires with probability exp(logit), logit < 0, has
    d probability / d logit = probability, which is the mean of the bit.
    Exact: under exponential noise, on losses multilinear in the bits 0, 1. An SBN is close to that
    where its probability is small.
    Cost: one downstream evaluation and its backward pass.

    Source: Pitis, Binary Stochastic Neurons in Tensorflow (2016), r2rt.com, in its first version.
    """

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        return bits
