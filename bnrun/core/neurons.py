"""Neurons: the activations of a layer, given its logits."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnrun.core.fields import Slope, validated
from bnrun.core.noise import Noise

Mode = Literal["thresholded", "sampled", "mean_field"]


def _above(values: Tensor, thresholds: Tensor | float) -> Tensor:
    """1[values > thresholds] in the dtype of the values.

    Compares and converts in one pass over memory, 7 times faster than in two.
    """
    if torch._C._are_functorch_transforms_active():
        return (values > thresholds).to(values.dtype)  # torch.func tensors cannot be an `out`
    bits = torch.empty_like(values)
    return torch.gt(values, thresholds, out=bits)


@validated
class Neuron(ABC):
    """A layer of units with logits [*S, R, B, U] and activations of the same shape.

    signed   activations are -1 and +1 instead of 0 and 1
    slope    the probability of a unit is sigmoid(slope * logit)

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

    def probability(self, logits: Tensor) -> Tensor:
        """sigmoid(slope * logits), [*S, R, B, U]."""
        return torch.sigmoid(logits if self.slope == 1.0 else self.slope * logits)

    def encode(self, bits: Tensor) -> Tensor:
        """Activations for bits (or probabilities) in [0, 1]."""
        return 2 * bits - 1 if self.signed else bits

    def thresholded(self, logits: Tensor, noise: Noise) -> Tensor:
        """Activations of the bits 1[logits > 0]; draws nothing."""
        return self.encode(_above(logits.detach(), 0.0))

    def sampled(self, logits: Tensor, noise: Noise) -> Tensor:
        """Activations of the bits 1[u < probability], u from `noise`."""
        return self.encode(_above(self.probability(logits.detach()), noise.uniform(logits)))

    def mean_field(self, logits: Tensor, noise: Noise) -> Tensor:
        """The mean activation instead of a sample; draws nothing."""
        return self.encode(self.probability(logits))


@validated
class BinaryNeuron(Neuron):
    """A neuron that outputs bits; an estimator provides its gradient."""

    @abstractmethod
    def fire(self, logits: Tensor, noise: Noise) -> Tensor:
        """Bits, exactly 0 or 1 in the dtype of `logits`, without gradient, [*S, R, B, U]."""


@validated
class DBN(BinaryNeuron):
    """Deterministic binary neuron, 1[logit > 0]; a logit of 0 gives 0."""

    mode = "thresholded"

    def fire(self, logits: Tensor, noise: Noise) -> Tensor:
        return _above(logits.detach(), 0.0)


@validated
class SBN(BinaryNeuron):
    """Stochastic binary neuron, 1[u < sigmoid(slope * logit)], u uniform on [0, 1)."""

    mode = "sampled"

    def fire(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.fire_with(self.probability(logits.detach()), noise)

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
class Real(DifferentiableNeuron):
    """sigmoid(slope * logit): a real-valued neuron as a baseline for binary ones."""

    mode = "mean_field"

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.encode(self.probability(logits))
