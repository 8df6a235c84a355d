"""Two samples, each with a control variate made from the other."""

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.base import fire
from bnrun.estimators.tools.control_variate import ControlVariate
from bnrun.estimators.tools.derivatives import differentiate
from bnrun.estimators.tools.gradients import inject


@validated
class DoubleCV(ControlVariate):
    """Leave-one-out on two samples, each with a linear control variate from the other sample.

    forward:  two independent samples; the loss is their mean
    backward: (F1 - F2) * (b1 - b2) / 2 + eta * (f'(b1) + f'(b2)) / 2 * p (1 - p), times
              score_slope, with F1 = f(b1) - eta f'(b2) . (b1 - p) and
              F2 = f(b2) - eta f'(b1) . (b2 - p); eta minimises the variance, and is near 1 for a
              near-linear f
    Exact: always, in expectation. This holds because the f' at one sample is independent of the
    other sample.
    Cost: 2 downstream evaluations and one backward pass.

    Source: Titsias, Shi, Double Control Variates for Gradient Estimation in Discrete Latent
    Variable Models (2022), arXiv 2111.05300, whose coefficient is -eta.
    """

    unbiased = True

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        neuron, slope = self.neuron, self.neuron.score_slope(logits)
        probability = neuron.probability(logits.detach())
        bits = fire(neuron, logits.expand(2, *logits.shape), noise)
        if not torch.is_grad_enabled():
            return downstream(neuron.encode(bits)).mean(0)
        losses, derivative = differentiate(neuron, downstream, bits, retain_graph=True)
        memory = self.recall(logits, noise)
        linear = (derivative.flip(0) * (bits - probability)).sum(-1)
        estimate = slope * _pair(losses.detach(), bits)
        mean = derivative.mean(0) * neuron.derivative(logits)
        control = slope * _pair(linear, bits) - mean
        if self.learns(memory):
            self.remember(memory, self.averages(memory, estimate, control))
        return inject(losses.mean(0), logits, estimate - self.coefficient(memory) * control)


def _pair(values: Tensor, bits: Tensor) -> Tensor:
    """(value_1 - value_2) * (b_1 - b_2) / 2, from [2, *S, R, B] and [2, *S, R, B, U]."""
    return (values[0] - values[1]).unsqueeze(-1) * (bits[0] - bits[1]) / 2
