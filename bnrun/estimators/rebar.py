"""REINFORCE with a relaxation of the loss as control variate."""

from typing import NamedTuple

import torch
from torch import Tensor

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.tools.control_variate import ControlVariate
from bnrun.estimators.tools.derivatives import differentiate
from bnrun.estimators.tools.gradients import inject
from bnrun.estimators.tools.learner import Memory
from bnrun.estimators.tools.relaxed_control import Latents, control, latents


class Sample(NamedTuple):
    """The random quantities of one call.

    reinforce  f(b) * score, [*S, R, B, U]
    relaxed    the control variate from the relaxed loss, [*S, R, B, U]
    latents    the points where the relaxed loss was evaluated
    score      d log P(b) / d logit, [*S, R, B, U]
    """

    reinforce: Tensor
    relaxed: Tensor
    latents: Latents
    score: Tensor


@validated
class REBAR(ControlVariate):
    """REINFORCE minus eta times a control variate of mean 0, made from the relaxed loss.

    forward:  the neuron's bits, b = 1[z > 0], z = slope * logit + noise
    backward: (f(b) - eta f(s(z~))) * score + eta d/da f(s(z)) - eta d/da f(s(z~)), a the logit;
              s(z) = sigmoid(z / t), and z~ is drawn like z given b; eta minimises the variance,
              and eta = 0 is REINFORCE to the bit
    Exact: always, in expectation. In a net of several layers, only if the estimators of the later
    layers are unbiased too.
    Cost: 3 downstream evaluations, 2 if `coupled`, and a backward pass through the relaxed ones.

    temperature  t > 0: near 0 the relaxation is close to the bits, but steep
    coupled      use z~ = z: one evaluation less, sometimes more variance

    Source: Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein, REBAR: Low-Variance, Unbiased Gradient
    Estimates for Discrete Latent Variable Models (2017), arXiv 1703.07370.
    """

    unbiased = True

    temperature: PositiveFloat = 0.5
    coupled: bool = False

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        neuron = self.neuron
        probability = neuron.probability(logits.detach())
        uniforms = noise.uniform(logits)
        bits = (uniforms < probability).to(logits.dtype)
        losses = downstream(neuron.encode(bits))
        if not torch.is_grad_enabled():
            return losses
        drawn = latents(neuron, logits.detach(), bits, uniforms, noise, self.coupled)
        soft = torch.sigmoid(drawn.points / self.temperature)
        values, derivative = differentiate(neuron, downstream, soft)
        slopes = derivative * soft * (1 - soft) / self.temperature
        score = neuron.score_slope(logits) * (bits - probability)
        sample = Sample(
            reinforce=losses.detach().unsqueeze(-1) * score,
            relaxed=control(values.detach().unsqueeze(-1), slopes, drawn, score),
            latents=drawn,
            score=score,
        )
        memory = self.recall(logits, noise)
        if self.learns(memory):
            self.remember(memory, self.learned(memory, sample))
        return inject(losses, logits, self.estimate(memory, sample))

    def estimate(self, memory: Memory, sample: Sample) -> Tensor:
        """The gradient with respect to the logits, [*S, R, B, U]."""
        return sample.reinforce - self.coefficient(memory) * sample.relaxed

    def learned(self, memory: Memory, sample: Sample) -> Memory:
        """The memory after this sample."""
        return self.averages(memory, sample.reinforce, sample.relaxed)
