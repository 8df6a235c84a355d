"""Node perturbation is exact for the net with normal noise on its logits, by quadrature."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from quadrature import wavy
from torch import Tensor

from bnrun.core.neurons import DBN, SBN, Neuron, Real
from bnrun.core.noise import Noise
from bnrun.estimators.exact import patterns
from bnrun.estimators.node_perturbation import NodePerturbation

LOGITS = torch.tensor([0.4, -1.3], dtype=torch.float64)
WEIGHTS = torch.tensor([0.8, -0.6], dtype=torch.float64)
NODES = 40


def nodes(edges: list[float]) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes on every piece, and their weights."""
    roots, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(NODES))
    pieces = [
        ((a + b) / 2 + (b - a) / 2 * roots, (b - a) / 2 * weights) for a, b in pairwise(edges)
    ]
    points, scales = zip(*pieces, strict=True)
    return torch.cat(points), torch.cat(scales)


class Given(Noise):
    """Returns the given normals and uniforms, [D, 1, 1, U]."""

    def __init__(self, normals: Tensor, uniforms: Tensor | None = None) -> None:
        super().__init__([0])
        self.normals, self.uniforms = normals, uniforms

    def normal(self, like: Tensor) -> Tensor:
        return self.normals.expand(like.shape)

    def uniform(self, like: Tensor) -> Tensor:
        assert self.uniforms is not None
        return self.uniforms.expand(like.shape)


def grid_of(neuron: Neuron, std: float) -> tuple[Given, Tensor]:
    """Draws for which the loss is smooth between the nodes, and their weights, [D]."""
    parts = [_unit(neuron, float(logit), std) for logit in LOGITS]
    (e0, u0, w0), (e1, u1, w1) = parts
    size = len(w0), len(w1)

    def pair(first: Tensor, second: Tensor) -> Tensor:
        both = first.unsqueeze(1).expand(size), second.unsqueeze(0).expand(size)
        return torch.stack(both, -1).view(-1, 1, 1, 2)

    return Given(pair(e0, e1), pair(u0, u1)), (w0.unsqueeze(1) * w1).view(-1)


def _unit(neuron: Neuron, logit: float, std: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normals, uniforms and weights of one unit."""
    edge = abs(logit) / std
    edges = [-edge, edge] if isinstance(neuron, DBN) else [0.0]
    normals, weights = nodes([-9.0, *edges, 9.0])
    weights = weights * torch.exp(-normals.square() / 2) / (2 * torch.pi) ** 0.5
    if isinstance(neuron, DBN):
        return normals, torch.zeros_like(normals), weights
    # The bits change where the uniform passes the probability of either sample.
    both = [neuron.probability(logit + sign * std * normals) for sign in (1, -1)]
    low, high = torch.minimum(*both), torch.maximum(*both)
    ends = torch.stack([torch.zeros_like(low), low, high, torch.ones_like(low)])
    uniforms, lengths = (ends[1:] + ends[:-1]) / 2, ends.diff(dim=0)
    return normals.expand(3, -1).flatten(), uniforms.flatten(), (lengths * weights).flatten()


def smoothed(neuron: Neuron, std: float) -> Callable[[Tensor], Tensor]:
    """The probability of the net with the noise, from the logits."""
    if isinstance(neuron, DBN):
        return lambda logits: torch.special.ndtr(logits / std)
    points, weights = nodes([-9.0, -3.0, 0.0, 3.0, 9.0])
    weights = weights * torch.exp(-points.square() / 2) / (2 * torch.pi) ** 0.5
    return lambda logits: neuron.probability(logits.unsqueeze(-1) + std * points) @ weights


CASES = [DBN(), DBN(signed=True), SBN(), SBN(signed=True, slope=1.7), SBN(noise="normal")]


@pytest.mark.parametrize("std", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("neuron", CASES, ids=str)
def test_mean_over_all_noise_is_exact_for_the_smoothed_net(neuron, std):
    noise, draws = grid_of(neuron, std)
    leaf, weights = (part.clone().requires_grad_() for part in (LOGITS, WEIGHTS))
    estimator = NodePerturbation(neuron, std=std)
    loss = estimator(
        leaf.expand(len(draws), 1, 1, -1), lambda activations: wavy(activations, weights), noise
    )
    mean = (draws * loss.view(-1)).sum()
    ours = (mean.detach(), *torch.autograd.grad(mean, [leaf, weights]))

    bits = patterns(2, LOGITS)
    p = smoothed(neuron, std)(leaf)
    chance = torch.where(bits > 0, p, 1 - p).prod(-1)
    truth = (chance * wavy(neuron.encode(bits), weights)).sum()
    expected = (truth.detach(), *torch.autograd.grad(truth, [leaf, weights]))
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("wrong", ["factor 2", "without its mirror image", "noise of one sign"])
def test_a_broken_copy_is_not_exact(wrong):
    """The same quadrature finds the usual mistakes."""
    noise, draws = grid_of(DBN(), 1.0)
    e = noise.normals
    losses = [wavy((LOGITS + sign * e > 0).double(), WEIGHTS).unsqueeze(-1) for sign in (1, -1)]
    if wrong == "factor 2":
        estimate = (losses[0] - losses[1]) * e
    elif wrong == "without its mirror image":
        estimate = (losses[0] - losses[1]) * e / 2 - losses[0] * e / 4
    else:
        estimate = (losses[0] - losses[1]) * e.abs() / 2
    p = smoothed(DBN(), 1.0)(leaf := LOGITS.clone().requires_grad_())
    bits = patterns(2, LOGITS)
    truth = (torch.where(bits > 0, p, 1 - p).prod(-1) * wavy(bits, WEIGHTS)).sum()
    (expected,) = torch.autograd.grad(truth, leaf)
    ours = torch.tensordot(draws, estimate.view(len(draws), -1), 1)
    assert (ours - expected).norm() > 0.05 * expected.norm()


def test_the_estimate_needs_no_derivative_of_the_net():
    logits = LOGITS.expand(50, 1, 1, -1).clone().requires_grad_()
    loss = NodePerturbation(DBN())(logits, lambda bits: (bits.sum(-1) > 0.5).long(), Noise([0]))
    assert torch.autograd.grad(loss.sum(), logits)[0].abs().sum() > 0


def test_a_small_std_has_more_variance():
    def variance(std: float) -> float:
        logits = LOGITS.expand(4000, 1, 1, -1).clone().requires_grad_()
        estimator = NodePerturbation(SBN(), std=std)
        loss = estimator(logits, lambda bits: wavy(bits, WEIGHTS), Noise([0]))
        return float(torch.autograd.grad(loss.sum(), logits)[0].var(0).sum())

    assert variance(0.1) > 2 * variance(1.0)


def test_a_real_neuron_is_refused():
    with pytest.raises(ValueError, match="does not support neuron Real: choose neuron=dbn"):
        NodePerturbation(Real())
