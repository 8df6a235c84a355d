"""Leave-one-out on K mutually antithetic samples."""

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.base import SamplesEstimator
from bnrun.estimators.rloo import Samples, leave_one_out
from bnrun.estimators.tools.derivatives import score
from bnrun.estimators.tools.gradients import inject


def dirichlet_copula(uniforms: Tensor) -> Tensor:
    """K mutually antithetic uniforms from K independent ones, [K, ...].

    u_k = (1 - d_k)^(K-1), d from the flat Dirichlet distribution: as the d_k sum to 1, one small
    u_k makes the others larger.
    """
    exponentials = -torch.log1p(-uniforms)
    # If all K uniforms are exactly 0, the shares would be 0 / 0.
    exponentials = exponentials.clamp(min=torch.finfo(uniforms.dtype).tiny)
    shares = exponentials / exponentials.sum(0)
    return (1 - shares) ** (len(uniforms) - 1)


@validated
class ARMS(SamplesEstimator):
    """Leave-one-out on antithetic samples, with a correction for their correlation.

    forward:  K samples from a Dirichlet copula; the loss is their mean
    backward: sum_k (f_k - mean f) * (b_k - p) / (K - 1) * p (1 - p) / (p - P2), times score_slope;
              P2, the probability that two samples of a unit are both 1, is
              max(2 p^(1/(K-1)) - 1, 0)^(K-1); for p >= 1/2, 0 and 1 are swapped
    Exact: always, in expectation. K = 2 is DisARM.
    Cost: K downstream evaluations.

    samples  K, at least 2
    nested   whether later layers are estimated at all K samples, or at the first only

    Source: Dimitriev, Zhou, ARMS: Antithetic-REINFORCE-Multi-Sample Gradient for Binary Variables
    (2021), arXiv 2105.14141.
    """

    unbiased = True

    samples: Samples = 4

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        probability = self.neuron.probability(logits.detach())
        rarer = torch.minimum(probability, 1 - probability)
        uniforms = noise.uniform(logits.expand(self.samples, *logits.shape))
        rare = dirichlet_copula(uniforms) < rarer
        bits = torch.where(probability < 0.5, rare, ~rare).to(logits.dtype)
        losses = downstream(self.neuron.encode(bits))
        gradient = leave_one_out(losses.detach(), score(self.neuron, logits, bits))
        # With m = min(p, 1 - p), p (1 - p) / (p - P2) = (1 - m) / (1 - P2 / m). Computed as below,
        # P2 / m is 0, its limit, at m = 0.
        both = (2 - rarer ** (-1 / (self.samples - 1))).clamp(min=0) ** (self.samples - 1)
        return inject(losses.mean(0), logits, gradient * (1 - rarer) / (1 - both))
