"""Baselines of REINFORCE: what each subtracts, and that it lowers the variance."""

import copy

import numpy as np
import torch
from learners import LEARNERS, NEURON
from quadrature import LOGITS, Estimates, estimates, wavy
from torch import Tensor

from bnrun.core.noise import Noise
from bnrun.estimators.reinforce import Reinforce
from bnrun.estimators.tools.baselines import NVIL, MovingAverage, OptimalBaseline
from bnrun.estimators.tools.learner import Learner
from bnrun.estimators.tools.perceptron import train_perceptron


def first_losses(draws: int = 6) -> tuple[Tensor, Tensor, Estimates]:
    """Losses [D] and bits - p [D, U] of the first call with seed 0, and plain REINFORCE's."""
    plain = estimates(Reinforce(NEURON), wavy, Noise([0]), draws)
    bits = NEURON.fire(LOGITS.expand(draws, 1, 1, -1), Noise([0])).view(draws, -1)
    return plain.loss, bits - NEURON.probability(LOGITS), plain


def test_moving_average_is_zero_at_first_and_then_the_weighted_mean_of_the_calls() -> None:
    estimator = Reinforce(NEURON, MovingAverage(decay=0.9))
    noise, means = Noise([0]), []
    for _ in range(4):
        weights = [0.9**age for age in reversed(range(len(means)))]
        average = np.average(means, weights=weights) if means else 0
        plain = estimates(Reinforce(NEURON), wavy, copy.deepcopy(noise), 6)
        bits = NEURON.fire(LOGITS.expand(6, 1, 1, -1), copy.deepcopy(noise)).view(6, -1)
        expected = (plain.loss - average).unsqueeze(-1) * (bits - NEURON.probability(LOGITS))
        assert torch.allclose(estimates(estimator, wavy, noise, 6).logits, expected, rtol=1e-9)
        means.append(float(plain.loss.mean()))


def test_optimal_baseline_averages_from_zero_and_one() -> None:
    estimator = Reinforce(NEURON, OptimalBaseline())
    loss, centred, plain = first_losses()
    assert torch.equal(estimates(estimator, wavy, Noise([0]), 6).logits, plain.logits)
    weighted = 0.05 * (centred.square() * loss.unsqueeze(-1)).mean(0)
    weight = 0.95 + 0.05 * centred.square().mean(0)
    expected = (loss.unsqueeze(-1) - weighted / (weight + 1e-4)) * centred
    second = estimates(estimator, wavy, Noise([0]), 6)
    assert torch.allclose(second.logits, expected, rtol=1e-9)


def test_nvil_subtracts_the_net_and_the_mean_of_its_residual() -> None:
    estimator = Reinforce(NEURON, NVIL(hidden=5, lr=0.01))
    loss, centred, plain = first_losses()
    assert torch.equal(estimates(estimator, wavy, Noise([0]), 6).logits, plain.logits)
    state = estimator.state_dict()
    assert torch.allclose(state["mean"].squeeze(), 0.2 * loss.mean())
    assert torch.allclose(state["variance"].squeeze(), 0.2 * loss.square().mean())
    hidden = (LOGITS @ state["weight1"][0] + state["bias1"][0]).tanh()
    guess = hidden @ state["weight2"][0] + state["bias2"][0]
    expected = (loss - guess - state["mean"]).view(-1, 1) * centred
    second = estimates(estimator, wavy, Noise([0]), 6)
    assert torch.allclose(second.logits, expected, rtol=1e-9)


def test_nvils_net_and_variance_are_of_the_residual_less_its_running_mean() -> None:
    estimator = Reinforce(NEURON, NVIL(hidden=5, lr=0.01))
    loss, _, _ = first_losses()
    estimates(estimator, wavy, Noise([0]), 6)
    memory = copy.deepcopy(estimator.state_dict())
    mean = memory["mean"].squeeze()
    assert mean.abs() > 0.05
    assert estimates(estimator, wavy, Noise([0]), 6).loss.equal(loss)
    weights = {name: memory[name].clone().requires_grad_() for name in PERCEPTRON}

    def signals() -> Tensor:
        hidden = (LOGITS @ weights["weight1"][0] + weights["bias1"][0]).tanh()
        return loss - (hidden @ weights["weight2"][0] + weights["bias2"][0]).squeeze() - mean

    second = estimator.state_dict()
    expected = 0.8 * memory["variance"].squeeze() + 0.2 * signals().square().mean()
    assert torch.allclose(second["variance"].squeeze(), expected, rtol=1e-12)
    # The net's first Adam step went by the first call's losses; its second by these.
    trained = train_perceptron(memory, lambda m: _nvil_loss(m, loss, mean), 0.01)
    wrong = train_perceptron(memory, lambda m: _nvil_loss(m, loss, 0 * mean), 0.01)
    for name in PERCEPTRON:
        assert torch.allclose(second[name], trained[name], rtol=1e-12)
    assert not torch.allclose(second["bias2"], wrong["bias2"], rtol=1e-6)


PERCEPTRON = ("weight1", "bias1", "weight2", "bias2")


def _nvil_loss(memory: dict[str, Tensor], loss: Tensor, mean: Tensor) -> Tensor:
    hidden = (LOGITS @ memory["weight1"][0] + memory["bias1"][0]).tanh()
    guess = (hidden @ memory["weight2"][0] + memory["bias2"][0]).squeeze()
    return (loss - guess - mean).square().mean().view(1, 1, 1)


def test_normalizing_divides_by_the_standard_deviation_and_gives_up_the_claim() -> None:
    plain = Reinforce(NEURON, NVIL(hidden=5, lr=0.01))
    normalized = Reinforce(NEURON, NVIL(hidden=5, lr=0.01, normalize=True))
    assert plain.unbiased
    assert not normalized.unbiased
    assert not copy.deepcopy(normalized).frozen().unbiased
    scale = torch.ones(())
    for seed in range(5):
        ours, theirs = (estimates(e, wavy, Noise([seed]), 50) for e in (normalized, plain))
        assert torch.allclose(ours.logits * scale, theirs.logits, rtol=1e-9)
        scale = normalized.state_dict()["variance"].squeeze().sqrt().clamp(min=1)
    assert scale > 1.5


def test_nvil_learns_a_loss_that_depends_on_the_input() -> None:
    logits = torch.tensor([-2.0, 2.0], dtype=torch.float64).view(1, 2, 1).expand(1, 2, 3)
    offset = torch.tensor([10.0, -10.0], dtype=torch.float64)

    def variance(estimator: Learner) -> Tensor:
        leaf = logits.expand(400, 1, 2, 3).clone().requires_grad_()
        loss = estimator.frozen()(leaf, downstream, Noise([1]))
        return torch.autograd.grad(loss.sum(), leaf)[0].var(0).sum()

    def downstream(activations: Tensor) -> Tensor:
        return activations.sum(-1) + offset

    estimator = Reinforce(NEURON, NVIL(hidden=5, lr=0.1))
    before, noise = variance(estimator), Noise([0])
    for _ in range(200):
        estimator(logits.clone().requires_grad_(), downstream, noise)
    assert variance(estimator) < 0.1 * before


def test_baselines_lower_the_variance_of_a_loss_with_an_offset() -> None:
    def shifted(activations: Tensor, weights: Tensor) -> Tensor:
        return wavy(activations, weights) + 20

    plain = estimates(Reinforce(NEURON), shifted, Noise([0]), 2000).logits.var(0)
    for name in ("moving_average", "optimal"):
        estimator, noise = LEARNERS[name](), Noise([1])
        for _ in range(20):
            estimates(estimator, shifted, noise, 50)
        learned = estimates(estimator.frozen(), shifted, Noise([0]), 2000).logits.var(0)
        assert (learned < 0.2 * plain).all()
