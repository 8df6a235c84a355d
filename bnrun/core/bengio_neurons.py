"""The differentiable neurons of Bengio et al. (2013): rectifiers, STS and a noisy sigmoid.

They change the forward pass instead of the backward pass, so estimator=backprop trains them.
Source: Bengio, Leonard, Courville, Estimating or Propagating Gradients Through Stochastic Neurons
for Conditional Computation (2013), arXiv 1308.3432.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.neurons import DifferentiableNeuron
from bnrun.core.noise import Noise


@validated
class NoisyRectifier(DifferentiableNeuron):
    """max(0, slope * logit + std * z), z standard normal.

    It outputs exact zeros, and has a gradient wherever its output is not zero.

    sampled      the neuron itself
    thresholded  without the noise: max(0, slope * logit)
    mean_field   the mean over the noise: m Phi(m / std) + std phi(m / std), m = slope * logit
    probability  that the unit is on: Phi(m / std)

    std   standard deviation of the noise, > 0

    Raises ValueError on construction for signed=True, because the output is unbounded.
    """

    std: PositiveFloat = 1.0

    mode = "sampled"

    def __post_init__(self) -> None:
        if self.signed:
            raise ValueError(
                "signed=True does not apply to neuron noisy_rectifier, whose output is unbounded: "
                "keep neuron.signed=false, or choose neuron=sts"
            )

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        return torch.relu(self.slope * logits + self.std * noise.normal(logits))

    def probability(self, logits: Tensor) -> Tensor:
        return 0.5 * torch.erfc(-self.slope / (self.std * math.sqrt(2)) * logits)

    def thresholded(self, logits: Tensor, noise: Noise) -> Tensor:
        return torch.relu(self.slope * logits)

    def sampled(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.activate(logits, noise)

    def mean_field(self, logits: Tensor, noise: Noise) -> Tensor:
        # 40 standard deviations away it is max(0, m), exactly; the formula would give NaN there.
        near = (self.slope * logits).abs() < 40 * self.std
        close = logits.where(near, 0)
        mean = self.slope * close
        density = torch.exp(-0.5 * (mean / self.std) ** 2) / math.sqrt(2 * math.pi)
        value = mean * self.probability(close) + self.std * density
        return value.where(near, torch.relu(self.slope * logits))


@validated
class Rectifier(DifferentiableNeuron):
    """max(0, slope * logit) in every way of evaluating; the baseline for NoisyRectifier.

    probability  1 where the unit is on, else 0

    Raises ValueError on construction for signed=True, because the output is unbounded.
    """

    mode = "mean_field"

    def __post_init__(self) -> None:
        if self.signed:
            raise ValueError(
                "signed=True does not apply to neuron rectifier, whose output is unbounded: "
                "keep neuron.signed=false, or choose neuron=real"
            )

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        return torch.relu(self.slope * logits)

    def probability(self, logits: Tensor) -> Tensor:
        return (logits.detach() > 0).to(logits.dtype)

    def thresholded(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.activate(logits, noise)

    def sampled(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.activate(logits, noise)

    def mean_field(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.activate(logits, noise)


@validated
class NoisySigmoid(DifferentiableNeuron):
    """sigmoid(slope * logit + std * z), z standard normal.

    sampled      the neuron itself
    thresholded  the bit 1[logit > 0]
    mean_field   without the noise: sigmoid(slope * logit), the same as `probability`

    std   standard deviation of the noise, > 0
    """

    std: PositiveFloat = 1.0

    mode = "sampled"

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.encode(torch.sigmoid(self.slope * logits + self.std * noise.normal(logits)))

    def sampled(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.activate(logits, noise)


@validated
class STS(DifferentiableNeuron):
    """Stochastic times smooth: b sqrt(p) with b ~ Bernoulli(sqrt(p)), p = sigmoid(slope * logit).

    Its mean is p. The gradient flows through the smooth factor only, with b constant:
    d output / d logit = slope * b * sqrt(p) (1 - p) / 2. Its expectation is half of the mean's
    derivative; the other half would come from b.

    sampled      the neuron itself
    thresholded  the most probable b: 1[sqrt(p) > 1/2] * sqrt(p)
    mean_field   the mean, p
    probability  that the unit is on: sqrt(p)

    signed       output 2 b sqrt(p) - 1, in [-1, 1]
    """

    mode = "sampled"

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        smooth = self.probability(logits)
        bits = (noise.uniform(logits) < smooth.detach()).to(logits.dtype)
        return self.encode(bits * smooth)

    def probability(self, logits: Tensor) -> Tensor:
        # By the logarithm, because the derivative of a square root is infinite at p = 0.
        return torch.exp(0.5 * logsigmoid(self.slope * logits))

    def thresholded(self, logits: Tensor, noise: Noise) -> Tensor:
        smooth = self.probability(logits)
        return self.encode(torch.where(smooth > 0.5, smooth, torch.zeros_like(smooth)))

    def sampled(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.activate(logits, noise)

    def mean_field(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.encode(torch.sigmoid(self.slope * logits))
