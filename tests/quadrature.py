"""Expectations over uniforms by quadrature: exact where the estimate is piecewise polynomial."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator
from bnrun.estimators.exact import Exact

Loss = Callable[[Tensor, Tensor], Tensor]
"""(activations [*S, R, B, U], weights [D, 1, 1, U]) -> loss per example [*S, R, B]."""

LOGITS = torch.tensor([0.4, -1.3, 0.9], dtype=torch.float64)
WEIGHTS = torch.tensor([0.8, -0.6, 1.1], dtype=torch.float64)


def wavy(activations: Tensor, weights: Tensor) -> Tensor:
    """A loss that is neither multilinear nor quadratic in the bits."""
    drive = (activations * weights).sum(-1) + 0.3
    return 2 * torch.sin(2 * drive) + drive.square()


class Replay(Noise):
    """Returns the given uniforms in turn, then those of its seeds."""

    def __init__(self, *uniforms: Tensor, seeds: Sequence[int] = (0,)) -> None:
        super().__init__(seeds)
        self._given = list(uniforms)

    def uniform(self, like: Tensor) -> Tensor:
        if not self._given:
            return super().uniform(like)
        given = self._given.pop(0).to(like)
        return given.expand(like.shape)


class Grid(NamedTuple):
    """Uniforms for each call, [*K, D, 1, 1, U], and the weight of each of the D draws."""

    uniforms: list[Tensor]
    weights: Tensor


def grid(probability: Tensor, layout: str, nodes: int) -> Grid:
    """Nodes on every piece between 0, p, 1 - p and 1 of every uniform that an estimator draws.

    layout  "one": U uniforms; "pair": a sample axis of 2; "two": U, then U; "fresh": U, then U
            that are compared with no probability; "flip": U, then one that chooses a unit
    """
    pieces = [sorted({0.0, float(p), 1 - float(p), 1.0}) for p in probability]
    whole = [[0.0, 1.0]] * len(pieces)
    edges = {"one": pieces, "pair": pieces * 2, "two": pieces * 2, "fresh": pieces + whole}
    units = [[number / len(pieces) for number in range(len(pieces) + 1)]]
    edges["flip"] = pieces + units
    axes = edges[layout]
    points, weights = zip(*(_gauss(axis, nodes) for axis in axes), strict=True)
    uniforms = torch.cartesian_prod(*points).view(-1, len(axes))
    product = torch.cartesian_prod(*weights).view(-1, len(axes)).prod(-1)
    calls = [part[:, None, None] for part in uniforms.split(len(pieces), dim=-1)]
    return Grid([torch.stack(calls)] if layout == "pair" else calls, product)


def _gauss(edges: Sequence[float], nodes: int) -> tuple[Tensor, Tensor]:
    roots, weights = np.polynomial.legendre.leggauss(nodes)
    spans = list(itertools.pairwise(edges))
    points = np.concatenate([a + (b - a) * (roots + 1) / 2 for a, b in spans])
    lengths = np.concatenate([(b - a) * weights / 2 for a, b in spans])
    return torch.from_numpy(points), torch.from_numpy(lengths)


class Estimates(NamedTuple):
    """D draws: gradients of the logits and of the weights downstream, each [D, U]; loss [D]."""

    logits: Tensor
    weights: Tensor
    loss: Tensor


def estimates(
    estimator: Estimator, loss: Loss, noise: Noise, draws: int, logits: Tensor = LOGITS
) -> Estimates:
    """One call for all draws; each has its own copy of logits and weights."""
    leaf = logits.expand(draws, 1, 1, -1).clone().requires_grad_()
    weights = WEIGHTS[: len(logits)].to(logits).expand(draws, 1, 1, -1).clone().requires_grad_()
    losses = estimator(leaf, lambda activations: loss(activations, weights), noise)
    by = torch.autograd.grad(losses.sum(), [leaf, weights], materialize_grads=True)
    return Estimates(by[0].view(draws, -1), by[1].view(draws, -1), losses.detach().view(draws))


def all_draws(
    estimator: Estimator, loss: Loss, layout: str, nodes: int = 1, logits: Tensor = LOGITS
) -> tuple[Estimates, Tensor]:
    """The estimates at every node of the grid, and the nodes' weights [D]."""
    uniforms, weights = grid(estimator.neuron.probability(logits), layout, nodes)
    assert math.isclose(weights.sum(), 1)
    return estimates(estimator, loss, Replay(*uniforms), len(weights), logits), weights


def mean(estimates: Estimates, weights: Tensor) -> Estimates:
    return Estimates(*(torch.tensordot(weights, part, 1) for part in estimates))


def exact(estimator: Estimator, loss: Loss, logits: Tensor = LOGITS) -> Estimates:
    """The true gradients and loss."""
    (one,) = zip(*estimates(Exact(estimator.neuron), loss, Noise([0]), 1, logits), strict=True)
    return Estimates(*one)


def total_variance(
    estimator: Estimator, loss: Loss, layout: str, nodes: int = 2, logits: Tensor = LOGITS
) -> Tensor:
    """Trace of the covariance of the gradient with respect to the logits."""
    drawn, weights = all_draws(estimator, loss, layout, nodes, logits)
    centred = drawn.logits - weights @ drawn.logits
    return weights @ centred.square().sum(-1)
