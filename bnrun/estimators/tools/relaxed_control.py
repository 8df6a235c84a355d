"""The control variate of REBAR and RELAX, for bits that are signs of a continuous variable."""

from typing import NamedTuple

import torch
from torch import Tensor

from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.tools.latents import conditional_latent, latent


class Latents(NamedTuple):
    """z = slope * logit + noise, whose sign is the bit, and z~, drawn like z given the bit.

    points      z first, z~ last, [N, *S, R, B, U]; N = 1 if z~ is z
    slope       d z / d logit
    derivative  d z~ / d logit at fixed noise, [*S, R, B, U]
    """

    points: Tensor
    slope: float
    derivative: Tensor


def latents(
    neuron: Neuron, logits: Tensor, bits: Tensor, uniforms: Tensor, noise: Noise, coupled: bool
) -> Latents:
    """z and z~ of the bits 1[u < p]; all [*S, R, B, U].

    uniforms  u on [0, 1)
    coupled   reuse the noise, so that z~ = z; otherwise draw z~ with new noise
    """
    points = latent(neuron, logits, uniforms).unsqueeze(0)
    if not coupled:
        given = conditional_latent(neuron, logits, bits, noise.uniform(logits))
        points = torch.cat([points, given.unsqueeze(0)])
    towards = (2 * bits - 1) * neuron.scaled(logits)
    derivative = neuron.slope * neuron.law.truncated_slope(towards, points[-1].abs())
    return Latents(points, neuron.slope, derivative)


def control(values: Tensor, slopes: Tensor, drawn: Latents, score: Tensor) -> Tensor:
    """c(z~) * score - d c(z) / d logit + d c(z~) / d logit, whose mean is 0, [*S, R, B, U].

    values  c at the points, [N, *S, R, B, 1]
    slopes  dc/dz at the points, [N, *S, R, B, U]
    score   d log P(b) / d logit, [*S, R, B, U]

    Source: Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein (2017), arXiv 1703.07370.
    """
    return values[-1] * score - drawn.slope * slopes[0] + slopes[-1] * drawn.derivative
