"""The control variate of REBAR and RELAX, for bits that are signs of a logistic variable."""

from typing import NamedTuple

import torch
from torch import Tensor

from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.tools.logistic import conditional_latent, latent, positive


class Logistic(NamedTuple):
    """z = a + logistic noise, whose sign is the bit, and z~, drawn like z given the bit.

    points      z first, z~ last, [N, *S, R, B, U]; N = 1 if z~ is z
    derivative  d z~ / d a at fixed noise, [*S, R, B, U]; d z / d a is 1
    """

    points: Tensor
    derivative: Tensor


def logistic(
    neuron: Neuron, logits: Tensor, bits: Tensor, uniforms: Tensor, noise: Noise, coupled: bool
) -> Logistic:
    """z and z~ of the bits 1[u < sigmoid(a)], a = slope * logit; all [*S, R, B, U].

    uniforms  u on [0, 1)
    coupled   reuse the noise, so that z~ = z; otherwise draw z~ with new noise
    """
    drawn = latent(neuron, logits, uniforms)
    scaled = neuron.slope * logits
    sign = 2 * bits - 1
    if coupled:
        # The noise held fixed as p changes is u / p for a 1, (1 - u) / (1 - p) for a 0.
        room = torch.where(bits > 0, 1 - uniforms, positive(uniforms))
        return Logistic(drawn.unsqueeze(0), 1 - torch.sigmoid(-sign * scaled) / room)
    given = conditional_latent(neuron, logits, bits, noise.uniform(logits))
    derivative = -torch.expm1(-given.abs()) * torch.sigmoid(sign * scaled)
    return Logistic(torch.stack([drawn, given]), derivative)


def control(values: Tensor, slopes: Tensor, drawn: Logistic, centred: Tensor) -> Tensor:
    """c(z~) * (b - p) - d/da c(z) + d/da c(z~), whose mean is 0, [*S, R, B, U].

    values   c at the points, [N, *S, R, B, 1]
    slopes   dc/dz at the points, [N, *S, R, B, U]
    centred  b - p, [*S, R, B, U]

    Source: Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein (2017), arXiv 1703.07370.
    """
    return values[-1] * centred - slopes[0] + slopes[-1] * drawn.derivative
