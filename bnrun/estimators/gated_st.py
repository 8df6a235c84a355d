"""Output-gated straight-through: only units that fired get a gradient."""

from torch import Tensor

from bnrun.core.fields import validated
from bnrun.estimators.straight_through import StraightThrough


@validated
class GatedST(StraightThrough):
    """Plain straight-through, gated by the unit's own bit.

    forward:  bits of the neuron
    backward: multiplier b, the bit: 1 where the unit fired and 0 where it did not, also for
              signed activations
    Noise law: exponential on one side. A unit that fires with probability exp(logit), for a
    logit below 0, has d log(probability) / d logit = 1, so that the multiplier's mean is right.
    Exact: under exponential noise, on losses multilinear in the bits 0, 1. An SBN comes near it
    where its probability is small.
    Cost: one downstream evaluation and its backward pass.

    Source: Pitis, Binary Stochastic Neurons in Tensorflow (2016), r2rt.com, in its first version.
    """

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        return bits
