"""Antithetic pairs of samples, both from one uniform."""

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.base import SamplesEstimator
from bnrun.estimators.tools.gradients import inject


def antithetic_bits(probability: Tensor, uniforms: Tensor) -> Tensor:
    """The antithetic bits 1[u < p] and 1[1 - u <= p], each Bernoulli(p), [2, *S, R, B, U].

    u is in [0, 1), so 1 - u is in (0, 1]: with <=, a p of exactly 0 or 1 gives the right bit.
    """
    return torch.stack([uniforms < probability, 1 - uniforms <= probability]).to(probability.dtype)


@validated
class ARM(SamplesEstimator):
    """Augment-REINFORCE-merge: an antithetic pair of samples, weighted by their uniform.

    forward:  the pair 1[u < p] and 1[u > 1 - p]; the loss is their mean
    backward: (f(1[u > 1 - p]) - f(1[u < p])) * (u - 1/2), times score_slope
    Exact: always, in expectation. Its variance can exceed REINFORCE's where p is far from 1/2.
    Cost: 2 downstream evaluations.

    nested  whether later layers are estimated at both samples, or at the first only

    Source: Yin, Zhou, ARM: Augment-REINFORCE-Merge Gradient for Stochastic Binary Networks (2019),
    arXiv 1807.11143.
    """

    unbiased = True

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        uniforms = noise.uniform(logits)
        bits = antithetic_bits(self.neuron.probability(logits.detach()), uniforms)
        losses = downstream(self.neuron.encode(bits))
        difference = (losses[1] - losses[0]).detach().unsqueeze(-1)
        gradient = self.neuron.score_slope(logits) * difference * (uniforms - 0.5)
        return inject(losses.mean(0), logits, gradient)


@validated
class DisARM(SamplesEstimator):
    """ARM with the uniform integrated out: only units whose two bits differ get a gradient.

    forward:  the antithetic pair b = 1[u < p], b~ = 1[u > 1 - p]; the loss is their mean
    backward: (f(b) - f(b~)) / 2 * (b - b~) * max(p, 1 - p), times score_slope
    Exact: always, in expectation. Its variance never exceeds ARM's.
    Cost: 2 downstream evaluations.

    nested  whether later layers are estimated at both samples, or at the first only

    Source: Dong, Mnih, Tucker, DisARM: An Antithetic Gradient Estimator for Binary Latent
    Variables (2020), arXiv 2006.10680; the same as U2G: Yin, Ho, Yan, Qian, Zhou (2020),
    Probabilistic Best Subset Selection via Gradient-Based Optimization, arXiv 2006.06448.
    """

    unbiased = True

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        probability = self.neuron.probability(logits.detach())
        bits = antithetic_bits(probability, noise.uniform(logits))
        losses = downstream(self.neuron.encode(bits))
        difference = (losses[0] - losses[1]).detach().unsqueeze(-1)
        weight = torch.maximum(probability, 1 - probability)
        gradient = self.neuron.score_slope(logits) * difference / 2 * (bits[0] - bits[1]) * weight
        return inject(losses.mean(0), logits, gradient)
