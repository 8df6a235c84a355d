"""REINFORCE with a linear approximation of the loss as control variate."""

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator, fire
from bnrun.estimators.tools.derivatives import differentiate, score
from bnrun.estimators.tools.gradients import inject


@validated
class MuProp(Estimator):
    """REINFORCE on the residual of a linear expansion of f at the mean, plus its exact gradient.

    forward:  the neuron's bits
    backward: (f(b) - f(p) - f'(p) . (b - p)) * (b - p), times score_slope, plus
              f'(p) * d p / d logit
    Exact: always, in expectation. This holds because f(p) and f'(p) are independent of b; a poor
    expansion only costs variance.
    Cost: 2 downstream evaluations and one backward pass.

    Source: Gu, Levine, Sutskever, Mnih, MuProp: Unbiased Backpropagation for Stochastic Neural
    Networks (2015), arXiv 1511.05176.
    """

    unbiased = True

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        probability = self.neuron.probability(logits.detach())
        bits = fire(self.neuron, logits, noise)
        losses = downstream(self.neuron.encode(bits))
        if not torch.is_grad_enabled():
            return losses
        at_mean, derivative = differentiate(self.neuron, downstream, probability)
        expansion = at_mean + (derivative * (bits - probability)).sum(-1)
        residual = (losses - expansion).detach().unsqueeze(-1)
        mean = self.neuron.derivative(logits) * derivative
        return inject(losses, logits, residual * score(self.neuron, logits, bits) + mean)
