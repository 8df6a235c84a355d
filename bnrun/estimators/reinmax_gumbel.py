"""ReinMax with terms of Gumbel-Rao: its derivative, or a control variate, from sampled noise."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from bnrun.core.fields import PositiveInt, validated
from bnrun.core.noise import Noise
from bnrun.estimators.base import fire
from bnrun.estimators.gumbel import Relaxation
from bnrun.estimators.tools.gradients import with_derivative
from bnrun.estimators.tools.latents import conditional_latent, latent
from bnrun.estimators.tools.requirements import check_logistic


@validated
class ReinMaxRao(Relaxation):
    """ReinMax whose derivative at the midpoint is that of Gumbel-Rao.

    forward:  the neuron's bits, fired with p = sigmoid(a), a = neuron.slope * logit
    backward: multiplier span * neuron.slope * (2 mean_k s_k (1 - s_k) / t - p (1 - p) / 2),
              s_k = sigmoid(z_k / t), z_k = logit((p + b) / 2) + logistic noise, given the bit
    Noise law: logistic.
    Exact: nowhere. With (p + b) / 2 in place of s_k, at t = 1, it would be ReinMax, which is exact
    on losses quadratic in each bit. Noise given the bit makes the multiplier smaller: at p = 1/2
    its mean is .69 of ReinMax's for t = .5, .59 for t = 1.
    Cost: one downstream evaluation and its backward pass; K uniforms per unit, on an axis.

    draws   K, >= 1

    Source: Wang, Bui, Beyond ReinMax: Low-Variance Gradient Estimators for Discrete Latent
    Variables (2026), arXiv 2603.08257; noise given the bit: Paulus, Maddison, Krause (2020), arXiv
    2010.04838.
    """

    draws: PositiveInt = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_logistic(self)

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        neuron, fixed = self.neuron, logits.detach()
        bits = fire(neuron, logits, noise)
        uniform = noise.uniform(logits.expand(self.draws, *logits.shape))
        middle = _midpoint(neuron.slope * fixed, bits) / neuron.slope
        slopes = self.slopes(conditional_latent(neuron, middle, bits, uniform)).mean(0)
        p = neuron.probability(fixed)
        multiplier = 2 * slopes - neuron.span * neuron.slope * p * (1 - p) / 2
        return with_derivative(neuron.encode(bits), logits, multiplier)


def _midpoint(scaled: Tensor, bits: Tensor) -> Tensor:
    """logit((p + b) / 2), p = sigmoid(scaled), without a division by 1 - p."""
    sign = 2 * bits - 1
    return sign * (torch.log1p(torch.sigmoid(sign * scaled)) - logsigmoid(-sign * scaled))


@validated
class ReinMaxCV(Relaxation):
    """ReinMax plus a control variate from Gumbel noise, whose mean is 0 for each bit.

    forward:  the neuron's bits, b = 1[z > 0], z = neuron.slope * logit + noise
    backward: multiplier span * (score_slope abs(b - p) / 2 + eta (mean_k d(z_k) - d(z))), with
              d(z) = neuron.slope s (1 - s) / t, s = sigmoid(z / t), and z_k drawn like z given b
    Noise law: the neuron's.
    Exact: on losses quadratic in each bit, under every law. Its mean is ReinMax's on every loss,
    because z and z_k have one distribution given the bit. Given the bit ReinMax is not random, so
    that the control variate can only add variance to it.
    Cost: one downstream evaluation and its backward pass; K + 1 uniforms per unit, K on an axis.

    draws  K, >= 1
    eta    coefficient of the control variate; 0 is reinmax

    Source: Wang, Bui, Beyond ReinMax: Low-Variance Gradient Estimators for Discrete Latent
    Variables (2026), arXiv 2603.08257.
    """

    draws: PositiveInt = 32
    eta: Annotated[float, Field(allow_inf_nan=False)] = 1.0

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        neuron, fixed = self.neuron, logits.detach()
        uniform = noise.uniform(logits)
        bits = (uniform < neuron.probability(fixed)).to(logits.dtype)
        fresh = noise.uniform(logits.expand(self.draws, *logits.shape))
        given = self.slopes(conditional_latent(neuron, fixed, bits, fresh)).mean(0)
        control = given - self.slopes(latent(neuron, fixed, uniform))
        missing = torch.sigmoid((1 - 2 * bits) * neuron.log_odds(fixed))  # abs(b - p)
        reinmax = neuron.span * neuron.score_slope(fixed) * missing / 2
        multiplier = reinmax + self.eta * control
        return with_derivative(neuron.encode(bits), logits, multiplier)
