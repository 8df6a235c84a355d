"""Local expectation gradients: each unit sums over its own two bits."""

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator, fire
from bnrun.estimators.tools.gradients import inject


@validated
class LocalExpectation(Estimator):
    """Each unit compares the loss at the sample with the loss after flipping its own bit.

    forward:  the neuron's bits
    backward: d p / d logit * (f(b_i = 1) - f(b_i = 0)) for unit i, the other bits at the sample
    Exact: always, in expectation. It has the least variance of all estimators that use one sample
    of the other bits.
    Cost: U + 1 downstream evaluations, U of them without gradient and batched on a leading axis:
    the activations take U times the memory.

    Source: Titsias, Lazaro-Gredilla, Local Expectation Gradients for Black Box Variational
    Inference (2015), arXiv 1503.01494.
    """

    unbiased = True

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        units = logits.shape[-1]
        bits = fire(self.neuron, logits, noise)
        losses = downstream(self.neuron.encode(bits))
        with torch.no_grad():
            one_each = torch.eye(units, dtype=bits.dtype, device=bits.device)
            flips = (bits - one_each.view(units, *[1] * (bits.dim() - 1), units)).abs()
            flipped = downstream(self.neuron.encode(flips)).movedim(0, -1)
        difference = (2 * bits - 1) * (losses.detach().unsqueeze(-1) - flipped)
        return inject(losses, logits, self.neuron.derivative(logits) * difference)
