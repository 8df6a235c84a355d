"""Leave-one-out with control variates from a discrete Stein operator, made by a learned net."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from bnrun.core.fields import PositiveFloat, PositiveInt, validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise, stream
from bnrun.estimators.base import fire
from bnrun.estimators.rloo import Samples, others
from bnrun.estimators.tools.derivatives import differentiate
from bnrun.estimators.tools.gradients import inject
from bnrun.estimators.tools.learner import Learner, Memory, replica_mean
from bnrun.estimators.tools.perceptron import WEIGHTS, adam_step, fresh_moments

LEARNED = (*WEIGHTS, "alpha", "beta")


def surrogate(memory: Memory, linear: Tensor, loss: Tensor) -> Tensor:
    """The net h = (h0, h1) of a linearised loss and a loss: [*S, R, B, V] each -> [*S, R, B, V, 2].

    Two inputs, one layer of leaky ReLUs, two outputs. Differences of h0 alone matter, so that only
    h1 has a bias at its end.
    """
    inputs = torch.stack(torch.broadcast_tensors(linear, loss), -1)
    hidden = torch.einsum("...rbvi,rih->...rbvh", inputs, memory["weight1"])
    hidden = leaky_relu(hidden + memory["bias1"].unsqueeze(1), 0.3)
    h0, h1 = torch.einsum("...rbvh,rho->...rbvo", hidden, memory["weight2"]).unbind(-1)
    return torch.stack([h0, h1 + memory["bias2"]], -1)


@validated
class RODEO(Learner):
    """Leave-one-out whose baselines and estimate get control variates from flips of single bits.

    forward:  K independent samples; the loss is their mean
    backward: mean_k (f_k - mean_{j != k} (f_j + alpha (A h0)(b_j))) (b_k - p)
              + beta (A h1 . (b - p))(b_k), times score_slope. The Gibbs operator
              (A h)(b) = mean_i w_i (h(b with bit i flipped) - h(b)), w_i the probability of the
              flipped bit, has mean 0 for every function h. h0 and h1 are outputs of a net whose
              inputs are the other samples' f, linearised at their bits, and its mean. alpha and
              beta start at 0 (that is rloo); they and the net are trained by Adam on the mean
              square of the estimate
    Exact: always, in expectation. This holds because the net for a sample sees only the others.
    Cost: K downstream evaluations and their backward pass; the net is evaluated at all flips, K
    (U + 1) times, and makes one training step.

    samples  K, at least 2
    hidden   units of the net's hidden layer
    lr       learning rate of Adam for the net, alpha and beta

    Source: Shi, Zhou, Hwang, Titsias, Mackey, Gradient Estimation with Discrete Stein Operators
    (2022), arXiv 2202.09497.
    """

    unbiased = True

    samples: Samples = 2
    hidden: PositiveInt = 100
    lr: PositiveFloat = 1e-3

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        replicas = len(noise.seeds)
        draws = [stream(seed, "rodeo").standard_normal((4, self.hidden)) for seed in noise.seeds]
        normal = torch.from_numpy(np.stack(draws)).to(logits)
        memory = {
            "weight1": normal[:, :2] / 2**0.5,
            "bias1": logits.new_zeros(replicas, 1, self.hidden),
            "weight2": normal[:, 2:].mT / self.hidden**0.5,
            "bias2": logits.new_zeros(replicas, 1, 1),
            "alpha": logits.new_zeros(replicas, 1, 1),
            "beta": logits.new_zeros(replicas, 1, 1),
        }
        return memory | fresh_moments(memory, LEARNED)

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        neuron = self.neuron
        p = neuron.probability(logits.detach())
        bits = fire(neuron, logits.expand(self.samples, *logits.shape), noise)
        if not torch.is_grad_enabled():
            return downstream(neuron.encode(bits)).mean(0)
        losses, derivative = differentiate(neuron, downstream, bits, retain_graph=True)
        memory = self.recall(logits, noise)
        estimate = self.estimator_of(bits, p, losses.detach(), derivative)
        if self.learns(memory):

            def mean_square(memory: Memory) -> Tensor:
                return replica_mean(estimate(memory).square().sum(-1, keepdim=True))

            self.remember(memory, adam_step(memory, LEARNED, mean_square, self.lr))
        return inject(losses.mean(0), logits, neuron.score_slope(logits) * estimate(memory))

    def estimator_of(
        self, bits: Tensor, p: Tensor, losses: Tensor, derivative: Tensor
    ) -> Callable[[Memory], Tensor]:
        """The estimate without the slope, [*S, R, B, U], as a function of what is learned.

        bits, derivative  [K, *S, R, B, U]; losses [K, *S, R, B]
        """
        centred, flip = bits - p, 1 - 2 * bits
        weight = torch.where(bits > 0, 1 - p, p)
        slope = others(derivative)
        at_bits = (slope * bits).sum(-1) - others((derivative * bits).sum(-1))
        points = torch.cat([slope * flip, torch.zeros_like(flip[..., :1])], -1)
        points = points + at_bits.unsqueeze(-1)
        loss = others(losses).unsqueeze(-1)

        def estimate(memory: Memory) -> Tensor:
            h = surrogate(memory, points, loss)
            flipped, difference = h[..., :-1, 1], h[..., :-1, :] - h[..., -1:, :]
            stein = (weight.unsqueeze(-1) * difference).mean(-2)
            baseline = others(losses.unsqueeze(-1) + memory["alpha"] * stein[..., :1])
            control = stein[..., 1:] * centred + weight * flip * flipped / flip.shape[-1]
            signal = losses.unsqueeze(-1) - baseline
            return (signal * centred + memory["beta"] * control).mean(0)

        return estimate

    def scalars(self) -> dict[str, float]:
        memory = self._learned.memory
        return {name: float(memory[name].mean()) for name in ("alpha", "beta") if memory}
