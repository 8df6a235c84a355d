"""Straight-through: fire bits, and replace their derivative by a multiplier."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.neurons import BinaryNeuron, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import ActivationEstimator, fire
from bnrun.estimators.tools.gradients import with_derivative


@validated
class StraightThrough(ActivationEstimator):
    """Bits with a made-up derivative. A subclass writes `multiplier`.

    forward:  the neuron's bits
    backward: d activation / d logit = multiplier(logits, bits)
    Cost: one downstream evaluation and its backward pass.
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (BinaryNeuron,)
    instead: ClassVar[str] = "choose neuron=dbn or neuron=sbn, or estimator=backprop"

    @abstractmethod
    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        """d activation / d logit, [*S, R, B, U] (or a shape that broadcasts to it)."""

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        bits = fire(self.neuron, logits, noise)
        multiplier = self.multiplier(logits.detach(), bits)
        return with_derivative(self.neuron.encode(bits), logits, multiplier)


@validated
class ST(StraightThrough):
    """Plain straight-through: the backward pass treats the neuron as the identity.

    backward: multiplier 1, also for signed activations
    Noise law: uniform, as wide as the span, for logits within it.
    Exact: under uniform noise, on losses multilinear in the bits.

    Source: Hinton, Coursera lecture 9c (2012), as commonly understood; Bengio, Leonard, Courville,
    Estimating or Propagating Gradients Through Stochastic Neurons (2013), arXiv 1308.3432.
    """

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        return torch.ones((), dtype=logits.dtype, device=logits.device)
