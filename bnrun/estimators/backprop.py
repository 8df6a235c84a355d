"""Ordinary backpropagation, for neurons that have a derivative."""

from typing import ClassVar

from torch import Tensor

from bnrun.estimators.base import Downstream, Estimator
from bnrun.fields import validated
from bnrun.neurons import DifferentiableNeuron, Neuron
from bnrun.noise import Noise


@validated
class Backprop(Estimator):
    """The gradient of the forward pass as it is. Cost: one downstream evaluation and backward."""

    accepts: ClassVar[tuple[type[Neuron], ...]] = (DifferentiableNeuron,)
    instead: ClassVar[str] = (
        "choose neuron=real, or for a binary neuron an estimator, like estimator=sigmoid_st"
    )

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        assert isinstance(self.neuron, DifferentiableNeuron)
        return downstream(self.neuron.activate(logits, noise))
