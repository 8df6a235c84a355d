"""Ordinary backpropagation, for neurons that have a derivative."""

from typing import ClassVar

from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.neurons import DifferentiableNeuron, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import ActivationEstimator


@validated
class Backprop(ActivationEstimator):
    """Ordinary backpropagation through a neuron that has a derivative.

    forward:  the neuron's activations, which are not bits
    backward: the derivative of the activation; for neuron=real it is span * d p / d logit
    Exact: for the loss of these activations, not for a loss of bits. On losses multilinear in the
    bits of one layer, where the mean field is exact, it equals the SBN's gradient.
    Cost: one downstream evaluation and its backward pass.

    Source: Rumelhart, Hinton, Williams, Learning Representations by Back-Propagating Errors (1986).
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (DifferentiableNeuron,)
    instead: ClassVar[str] = (
        "choose neuron=real, or an estimator for binary neurons, e.g. estimator=sigmoid_st"
    )

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        assert isinstance(self.neuron, DifferentiableNeuron)
        return self.neuron.activate(logits, noise)
