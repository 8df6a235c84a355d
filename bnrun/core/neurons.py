"""Neurons: the activations of a layer, given its logits."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnrun.core.fields import Slope, validated
from bnrun.core.laws import LAWS, LOGISTIC, Law, NoiseLaw
from bnrun.core.noise import Noise

Mode = Literal["thresholded", "sampled", "mean_field"]


def _above(values: Tensor, thresholds: Tensor | float) -> Tensor:
    """1[values > thresholds] in the dtype of the values.

    Compares and converts in one pass over memory, 7 times faster than in two. The bits lie in
    memory as the thresholds do, so that the next product need not move them.
    """
    if torch._C._are_functorch_transforms_active():
        return (values > thresholds).to(values.dtype)  # torch.func tensors cannot be an `out`
    shape = thresholds if isinstance(thresholds, Tensor) else values
    return torch.gt(values, thresholds, out=torch.empty_like(shape, dtype=values.dtype))


def _unexpanded(logits: Tensor) -> Tensor:
    """Logits [*S, R, B, U] with one of the samples where all have the same memory."""
    for axis in range(logits.dim() - 3):
        if logits.stride(axis) == 0:
            logits = logits.narrow(axis, 0, 1)
    return logits


@validated
class Neuron(ABC):
    """A layer of units with logits [*S, R, B, U] and activations of the same shape.

    signed   activations are -1 and +1 instead of 0 and 1
    slope    the probability of a unit is F(slope * logit), F the distribution function of `law`

    Every neuron can be evaluated in three ways: thresholded, sampled and mean-field.
    """

    signed: bool = False
    slope: Slope = 1.0

    mode: ClassVar[Mode]
    """The way of evaluating that equals this neuron's forward pass in training."""

    @property
    def span(self) -> float:
        """Distance between the two activations, which is d activation / d bit."""
        return 2.0 if self.signed else 1.0

    @property
    def law(self) -> Law:
        """The law of the noise in a unit; logistic noise makes F the sigmoid."""
        return LOGISTIC

    def scaled(self, logits: Tensor) -> Tensor:
        """slope * logits, [*S, R, B, U]."""
        return logits if self.slope == 1.0 else self.slope * logits

    def probability(self, logits: Tensor) -> Tensor:
        """F(slope * logits), [*S, R, B, U]."""
        return self.law.distribution(self.scaled(logits))

    def derivative(self, logits: Tensor) -> Tensor:
        """d probability / d logit = slope * F'(slope * logits), without gradient, [*S, R, B, U]."""
        return self.slope * self.law.density(self.scaled(logits.detach()))

    def score_slope(self, logits: Tensor) -> Tensor | float:
        """d log-odds / d logit = slope * F' / (p (1 - p)), without gradient, [*S, R, B, U].

        Times bits - p, that is d log P(bits) / d logits. For logistic noise it is the slope.
        """
        if self.law is LOGISTIC:
            return self.slope
        return self.slope * self.law.score(self.scaled(logits.detach()))

    def log_odds(self, logits: Tensor) -> Tensor:
        """log p - log(1 - p), finite and differentiable, [*S, R, B, U]."""
        return self.law.log_odds(self.scaled(logits))

    def encode(self, bits: Tensor) -> Tensor:
        """Activations for bits (or probabilities) in [0, 1]."""
        return 2 * bits - 1 if self.signed else bits

    def thresholded(self, logits: Tensor, noise: Noise) -> Tensor:
        """Activations of the bits 1[logits > 0]; draws nothing."""
        return self.encode(_above(logits.detach(), 0.0))

    def sampled(self, logits: Tensor, noise: Noise) -> Tensor:
        """Activations of the bits 1[u < probability], u from `noise`."""
        return self.encode(self._sampled_bits(logits, noise))

    def _sampled_bits(self, logits: Tensor, noise: Noise) -> Tensor:
        probability = self.probability(_unexpanded(logits.detach()))
        return _above(probability, noise.uniform(logits))

    def mean_field(self, logits: Tensor, noise: Noise) -> Tensor:
        """The mean activation instead of a sample; draws nothing."""
        return self.encode(self.probability(logits))


@validated
class LawNeuron(Neuron):
    """A neuron with a choice of the law of its noise.

    noise    logistic (F is the sigmoid), normal of standard deviation 1 (probit), or uniform on
             [-1/2, 1/2] (hard sigmoid)
    """

    noise: NoiseLaw = "logistic"

    @property
    def law(self) -> Law:
        return LAWS[self.noise]


@validated
class BinaryNeuron(LawNeuron):
    """A neuron that outputs bits; an estimator provides its gradient."""

    @abstractmethod
    def fire(self, logits: Tensor, noise: Noise) -> Tensor:
        """Bits, exactly 0 or 1 in the dtype of `logits`, without gradient, [*S, R, B, U]."""


@validated
class DBN(BinaryNeuron):
    """Deterministic binary neuron, 1[logit > 0]; a logit of 0 gives 0.

    Its noise is that of sampled and mean-field evaluation.
    """

    mode = "thresholded"

    def fire(self, logits: Tensor, noise: Noise) -> Tensor:
        return _above(logits.detach(), 0.0)


@validated
class SBN(BinaryNeuron):
    """Stochastic binary neuron, 1[u < F(slope * logit)], u uniform on [0, 1)."""

    mode = "sampled"

    def fire(self, logits: Tensor, noise: Noise) -> Tensor:
        return self._sampled_bits(logits, noise)

    def fire_with(self, probability: Tensor, noise: Noise) -> Tensor:
        """Bits 1[u < probability], without gradient, [*S, R, B, U].

        For callers that have already computed the probability.
        """
        return _above(probability, noise.uniform(probability))


@validated
class DifferentiableNeuron(Neuron):
    """A neuron that ordinary backpropagation can train."""

    @abstractmethod
    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        """Activations with their gradient, [*S, R, B, U]."""


@validated
class Real(LawNeuron, DifferentiableNeuron):
    """F(slope * logit): a real-valued neuron as a baseline for binary ones."""

    mode = "mean_field"

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.encode(self.probability(logits))
