"""Exact means: by given uniforms, and by sums over all bit patterns."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from bnrun.core.network import Downstream
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator
from bnrun.estimators.exact import patterns

CONFIGS = Path(__file__).parents[1] / "configs"

MULTILINEAR = torch.tensor([[0.0, 1.5, -0.7], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]]).double()
LINEAR = torch.tensor([1.0, -2.0, 0.5]).double()
UNITS = torch.tensor([0.3, -0.7, 0.1]).double()
# Midpoints of 100,000 equal intervals: the mean over them is the mean over a uniform.
GRID = ((torch.arange(100_000).double() + 0.5) / 100_000).view(-1, 1, 1, 1)


def multilinear(activations: Tensor) -> Tensor:
    """A loss of three units, with products of two and three of them but no squares."""
    pairs = torch.einsum("...i,ij,...j->...", activations, MULTILINEAR, activations)
    return pairs + activations @ LINEAR + 3 * activations.prod(-1)


def quadratic(activations: Tensor) -> Tensor:
    """Up to the square of each of three units, products of squares included."""
    a, b, c = activations.unbind(-1)
    return (a - 0.3) ** 2 + a * b + 2 * (a * b * c) ** 2 - b**2 * c + c


class GivenNoise(Noise):
    """Returns the given uniforms in turn, and normals that are their quantiles."""

    def __init__(self, *uniforms: Tensor | float) -> None:
        self._uniforms = iter(uniforms)

    def uniform(self, like: Tensor) -> Tensor:
        given = torch.as_tensor(next(self._uniforms), dtype=like.dtype)
        return given.expand(like.shape)

    def normal(self, like: Tensor) -> Tensor:
        return torch.special.ndtri(self.uniform(like))


@cache
def load(name: str, neuron: str = "sbn", signed: bool = False) -> Estimator:
    """The estimator of configs/estimator/<name>.yaml for the neuron of configs/neuron."""
    config = OmegaConf.create(
        {
            "neuron": OmegaConf.load(CONFIGS / "neuron" / f"{neuron}.yaml"),
            "estimator": OmegaConf.load(CONFIGS / "estimator" / f"{name}.yaml"),
        }
    )
    config.neuron.signed = signed
    return instantiate(config.estimator, _convert_="all")


def probabilities(neuron: Neuron, logits: Tensor, bits: Tensor) -> Tensor:
    """Probability of each pattern, [P], for logits [U] and bits [P, U]; differentiable."""
    p = neuron.probability(logits)
    return torch.where(bits > 0, p, 1 - p).prod(-1)


def exact_gradient(neuron: Neuron, logits: Tensor, downstream: Downstream) -> Tensor:
    """Gradient with respect to logits [U] of the mean loss over all patterns."""
    logits = logits.detach().requires_grad_()
    bits = patterns(len(logits), logits)
    losses = downstream(neuron.encode(bits))
    (gradient,) = torch.autograd.grad((probabilities(neuron, logits, bits) * losses).sum(), logits)
    return gradient


def mean_gradient(
    estimator: Estimator,
    logits: Tensor,
    downstream: Downstream,
    neuron: Neuron | None = None,
) -> Tensor:
    """Mean of the estimate over all patterns that the neuron can fire, for logits [U].

    For estimators that draw only the uniforms for the firing.
    """
    logits = logits.detach().requires_grad_()
    bits = patterns(len(logits), logits)
    weights = probabilities(neuron or estimator.neuron, logits.detach(), bits)
    fires = GivenNoise(1 - bits.view(len(bits), 1, 1, -1))
    loss = estimator(logits.expand(len(bits), 1, 1, -1), downstream, fires)
    (gradient,) = torch.autograd.grad((weights * loss.view(-1)).sum(), logits)
    return gradient


def gradient(
    estimator: Callable[[Tensor, Downstream, Noise], Tensor],
    logits: Tensor,
    downstream: Downstream,
    noise: Noise,
) -> Tensor:
    """One estimate, summed over every other axis, in the shape of the logits."""
    logits = logits.detach().requires_grad_()
    (estimate,) = torch.autograd.grad(estimator(logits, downstream, noise).sum(), logits)
    return estimate
