"""The time of a training step with an estimator, relative to sigmoid_st."""

from statistics import median
from time import process_time

import torch

from bnrun.conformance.measurement import Build, EstimatorFunction
from bnrun.core.neurons import SBN, Neuron
from bnrun.core.noise import Noise, stream
from bnrun.estimators.sigmoid_st import SigmoidST

INPUTS, UNITS, CLASSES, EXAMPLES = 784, 100, 10, 50
ROUNDS = 30


class _Step:
    """Forward and backward pass of a 784-100-10 net on one batch of 50, float32, R = 1."""

    def __init__(self, estimator: EstimatorFunction) -> None:
        draw = stream(0, "timing").standard_normal

        def normal(*shape: int) -> torch.Tensor:
            return torch.from_numpy(0.05 * draw(shape)).float()

        self.estimator, self.noise = estimator, Noise([0])
        self.inputs = normal(1, EXAMPLES, INPUTS)
        self.weights = [
            normal(1, INPUTS, UNITS).requires_grad_(),
            normal(1, UNITS, CLASSES).requires_grad_(),
        ]

    def seconds(self) -> float:
        """Processor time of one step, which other programs on the machine affect less."""
        start = process_time()
        loss = self.estimator(self.inputs @ self.weights[0], self._downstream, self.noise)
        torch.autograd.grad(loss.sum(), self.weights, materialize_grads=True)
        return process_time() - start

    def _downstream(self, activations: torch.Tensor) -> torch.Tensor:
        return -(activations @ self.weights[1]).log_softmax(-1)[..., 0]


def relative_time(build: Build, neuron: Neuron | None = None) -> float:
    """Median time of a step divided by that of sigmoid_st; the two are timed in turn.

    Raises what the estimator raises for a layer of 100 units, like `exact`.
    """
    neuron = neuron or SBN()
    steps = _Step(build(neuron)), _Step(SigmoidST(neuron=SBN()))
    seconds = [[step.seconds() for step in steps] for _ in range(ROUNDS)]
    own, yardstick = (median(column) for column in zip(*seconds[3:], strict=True))
    return own / yardstick
