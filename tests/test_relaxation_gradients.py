"""Gradients of Gumbel-sigmoid, ST-Gumbel and Gumbel-Rao, against formulas and integrals."""

import math
from collections.abc import Callable

import pytest
import torch
from enumeration import GRID, GivenNoise, exact_gradient, gradient
from scipy import integrate, stats
from torch import Tensor

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.gumbel import GumbelRao, GumbelSigmoid, Relaxation, STGumbel


def total(activations: Tensor) -> Tensor:
    return activations.sum(-1)


def grid_mean(estimator: Relaxation, logit: float, downstream: Callable[[Tensor], Tensor]) -> float:
    """Mean estimate of one unit over the grid of uniforms."""
    logits = torch.full_like(GRID, logit)
    return gradient(estimator, logits, downstream, GivenNoise(GRID)).mean().item()


@pytest.mark.parametrize("signed", [False, True])
def test_st_gumbel_multiplies_by_the_slope_of_the_soft_bit(signed):
    neuron = SBN(signed=signed, slope=2.0)
    estimator = STGumbel(neuron=neuron, temperature=0.4, forward_temperature=1.5)
    uniforms = torch.tensor([0.1, 0.5, 0.95, 0.3], dtype=torch.float64).view(1, 1, 4)
    logits = torch.tensor([0.3, 0.0, 2.0, -1.0], dtype=torch.float64).view(1, 1, 4)
    estimate = gradient(estimator, logits, total, GivenNoise(uniforms))
    latents = logits.requires_grad_() * 2.0 - 1.5 * torch.logit(uniforms)
    (expected,) = torch.autograd.grad(neuron.encode(torch.sigmoid(latents / 0.4)).sum(), logits)
    torch.testing.assert_close(estimate, expected, rtol=1e-12, atol=1e-14)


def test_gumbel_rao_multiplies_by_the_mean_slope_over_its_draws():
    neuron = SBN(signed=True, slope=2.0)
    estimator = GumbelRao(neuron=neuron, temperature=0.4, draws=3)
    firing = torch.tensor([0.1, 0.99], dtype=torch.float64).view(1, 1, 2)
    draws = torch.tensor([0.2, 0.6, 0.9], dtype=torch.float64).view(3, 1, 1, 1)
    logits = torch.tensor([0.3, 1.0], dtype=torch.float64).view(1, 1, 2)
    estimate = gradient(estimator, logits, total, GivenNoise(firing, draws))
    latents = torch.cat(
        [
            stats_latent(draws, 0.6, fired=True),
            stats_latent(draws, 2.0, fired=False),
        ],
        dim=-1,
    )
    soft = torch.sigmoid(latents / 0.4)
    expected = (2 * 2.0 * soft * (1 - soft) / 0.4).mean(0)
    torch.testing.assert_close(estimate, expected, rtol=1e-9, atol=0)


def stats_latent(uniforms: Tensor, location: float, fired: bool) -> Tensor:
    """Latents by the inverse distribution function of the truncated logistic law."""
    at_zero = stats.logistic.cdf(-location)
    share = uniforms.numpy()
    level = at_zero + share * (1 - at_zero) if fired else at_zero * (1 - share)
    return torch.from_numpy(location + stats.logistic.ppf(level))


def mean_multiplier(temperature: float, logit: float) -> float:
    """Mean of s (1 - s) / t over logistic noise, s = sigmoid((logit + noise) / t)."""

    def integrand(z: float) -> float:
        return stats.logistic.pdf(z / temperature) / temperature * stats.logistic.pdf(z - logit)

    return integrate.quad(integrand, -30, 30, points=[0.0, logit], epsabs=1e-11)[0]


@pytest.mark.parametrize("temperature", [0.2, 1.0, 2.0])
@pytest.mark.parametrize("logit", [-2.0, 0.4])
def test_gumbel_rao_and_st_gumbel_have_the_same_mean(logit, temperature):
    expected = mean_multiplier(temperature, logit)
    plain = STGumbel(neuron=SBN(), temperature=temperature)
    assert grid_mean(plain, logit, total) == pytest.approx(expected, abs=1e-7)
    rao = GumbelRao(neuron=SBN(), temperature=temperature, draws=len(GRID))
    p, logits = stats.logistic.cdf(logit), torch.full((1, 1, 1), logit).double()
    by_bit = [
        gradient(rao, logits, total, GivenNoise(firing, GRID)).item() for firing in (0.0, 1.0)
    ]
    assert p * by_bit[0] + (1 - p) * by_bit[1] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("forward_temperature", [1.0, 2.0])
def test_st_gumbel_is_exact_on_linear_losses_in_the_limit_of_small_temperatures(
    forward_temperature,
):
    exact = stats.logistic.pdf(0.8 / forward_temperature) / forward_temperature
    misses = [
        grid_mean(
            STGumbel(
                neuron=SBN(), temperature=temperature, forward_temperature=forward_temperature
            ),
            0.8,
            total,
        )
        - exact
        for temperature in (1.0, 0.1, 0.01)
    ]
    assert abs(misses[0]) > 0.05 * exact
    assert abs(misses[1]) < 0.02 * exact
    assert abs(misses[2]) < 2e-4 * exact


def quadratic(activations: Tensor) -> Tensor:
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=activations.dtype)
    return (activations @ weights - 0.3) ** 2


def test_gumbel_rao_has_lower_error_than_st_gumbel():
    draws, units = 20_000, torch.tensor([0.3, -0.8, 0.1], dtype=torch.float64)
    logits = units.expand(draws, 1, 1, 3)
    exact = exact_gradient(SBN(), units, quadratic)
    errors = {}
    for estimator in (
        STGumbel(neuron=SBN(), temperature=0.3),
        GumbelRao(neuron=SBN(), temperature=0.3, draws=1),
        GumbelRao(neuron=SBN(), temperature=0.3, draws=10),
    ):
        estimates = gradient(estimator, logits, quadratic, Noise([0]))
        errors[type(estimator), getattr(estimator, "draws", 1)] = (
            (estimates - exact).square().sum(-1).mean().item()
        )
    # 20,000 draws give each error with a standard error of about 2 %.
    assert errors[GumbelRao, 1] == pytest.approx(errors[STGumbel, 1], rel=0.1)
    assert errors[GumbelRao, 10] < 0.7 * errors[STGumbel, 1]


def curved(activations: Tensor) -> Tensor:
    return torch.sin(2 * activations).sum(-1)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
@pytest.mark.parametrize("logit", [-1.0, 0.4])
def test_gumbel_sigmoid_is_unbiased_for_its_relaxed_objective(logit, temperature):
    def objective(location: float) -> float:
        def integrand(z: float) -> float:
            soft = stats.logistic.cdf(z / temperature)
            return math.sin(2 * soft) * stats.logistic.pdf(z - location)

        return integrate.quad(integrand, -35, 35, points=[0.0, location], epsabs=1e-12)[0]

    step = 1e-3
    expected = (objective(logit + step) - objective(logit - step)) / (2 * step)
    estimator = GumbelSigmoid(neuron=SBN(), temperature=temperature)
    assert grid_mean(estimator, logit, curved) == pytest.approx(expected, abs=1e-6)


def test_gumbel_sigmoid_is_exact_in_the_limit_of_small_temperatures():
    exact = stats.logistic.pdf(0.8) * math.sin(2)
    misses = [
        grid_mean(GumbelSigmoid(neuron=SBN(), temperature=temperature), 0.8, curved) - exact
        for temperature in (1.0, 0.01)
    ]
    assert abs(misses[0]) > 0.05 * exact
    assert abs(misses[1]) < 0.01 * exact
