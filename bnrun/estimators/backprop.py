"""Ordinary backpropagation, for neurons that have a derivative."""

from typing import ClassVar

from torch import Tensor

from bnrun.core.chain import Downstream
from bnrun.core.fields import validated
from bnrun.core.neurons import DifferentiableNeuron, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator


@validated
class Backprop(Estimator):
    """Ordinary backpropagation through a neuron that has a derivative.

    forward:  activations of the neuron, which are not bits
    backward: the derivative of the activation, sigmoid(a) for neuron=real: span * slope * p (1 - p)
    Exact: for the neuron's own loss, not for one of bits. An SBN's gradient it meets on losses
    multilinear in the bits of one layer, where the mean field is right.
    Cost: one downstream evaluation and its backward pass.

    Source: Rumelhart, Hinton, Williams, Learning Representations by Back-Propagating Errors (1986).
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (DifferentiableNeuron,)
    instead: ClassVar[str] = (
        "choose neuron=real, or for a binary neuron an estimator, like estimator=sigmoid_st"
    )

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        assert isinstance(self.neuron, DifferentiableNeuron)
        return downstream(self.neuron.activate(logits, noise))
