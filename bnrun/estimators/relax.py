"""RELAX: REBAR with a learned net added to its control variate."""

import torch
from torch import Tensor

from bnrun.core.fields import PositiveFloat, PositiveInt, validated
from bnrun.core.noise import Noise
from bnrun.estimators.rebar import REBAR, Sample
from bnrun.estimators.tools.learner import Memory, replica_mean
from bnrun.estimators.tools.perceptron import (
    WEIGHTS,
    adam_step,
    fresh_moments,
    fresh_perceptron,
    perceptron,
)
from bnrun.estimators.tools.relaxed_control import control


@validated
class RELAX(REBAR):
    """REBAR with a small net, trained against the variance, added to its control variate.

    forward:  bits of the neuron
    backward: f(b) * (b - p) - c(z~) * (b - p) + d/da c(z) - d/da c(z~), times slope;
              c(z) = eta f(sigmoid(z / t)) + r(z), with z and z~ as in REBAR and r a net with one
              tanh layer, which starts at 0 (that is REBAR) and follows the gradient of the
              estimate's mean square by Adam; eta is the best one for the r of the moment
    Exact: always, in expectation. Nested, the estimators downstream must be unbiased too.
    Cost: 3 downstream evaluations, 2 if `coupled`, and a backward pass through the relaxed ones;
    a step of the net.

    hidden  units of the net's hidden layer
    lr      Adam's learning rate for the net

    Source: Grathwohl, Choi, Wu, Roeder, Duvenaud, Backpropagation through the Void: Optimizing
    Control Variates for Black-Box Gradient Estimation (2018), arXiv 1711.00123.
    """

    hidden: PositiveInt = 50
    lr: PositiveFloat = 1e-3

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        weights = fresh_perceptron(logits, self.hidden, noise, "control variate")
        return super().fresh(logits, noise) | weights | fresh_moments(weights, WEIGHTS)

    def estimate(self, memory: Memory, sample: Sample) -> Tensor:
        return super().estimate(memory, sample) - self._net_control(memory, sample)

    def learned(self, memory: Memory, sample: Sample) -> Memory:
        def mean_square(memory: Memory) -> Tensor:
            return replica_mean(self.estimate(memory, sample).square().sum(-1, keepdim=True))

        rest = sample.reinforce - self._net_control(memory, sample)
        averages = self.averages(memory, rest, sample.relaxed)
        return adam_step(memory, WEIGHTS, mean_square, self.lr) | averages

    def _net_control(self, memory: Memory, sample: Sample) -> Tensor:
        """The control variate of r, [*S, R, B, U]; differentiable by the net's weights."""
        leaf = sample.logistic.points.detach().requires_grad_()
        values = perceptron(memory, leaf)
        (slopes,) = torch.autograd.grad(values.sum(), leaf, create_graph=True)
        return self.neuron.slope * control(values, slopes, sample.logistic, sample.centred)
