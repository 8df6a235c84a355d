"""Latents and relaxations under each law of noise."""

import numpy as np
import pytest
import torch
from enumeration import GRID, GivenNoise
from noise_laws import OTHERS, REFERENCE
from scipy import integrate, stats

from bnrun.core.laws import LAWS
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.gumbel import GumbelRao, GumbelSigmoid, STGumbel
from bnrun.estimators.tools.latents import conditional_latent, latent
from bnrun.estimators.tools.relaxed_control import latents


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("noise", OTHERS)
def test_latents_are_above_zero_where_the_neuron_fires(noise, dtype):
    neuron = SBN(noise=noise, slope=0.7)
    units = torch.tensor([-30.0, -3.0, -0.6, -0.1, 0.0, 0.5, 0.7, 3.0, 1e4], dtype=dtype)
    logits = units.expand(2000, 1, 1, -1)
    values = latent(neuron, logits, Noise([0]).uniform(logits))
    fired = neuron.fire(logits, Noise([0]))
    # Rounding decides where the uniform is next to the probability.
    clear = values.abs() > 1e-5
    assert torch.equal((values > 0)[clear], (fired > 0)[clear])
    assert clear.float().mean() > 0.99
    assert values.isfinite().all()


@pytest.mark.parametrize("a", [-4.0, -0.45, -0.1, 0.0, 0.3, 0.9, 3.0])
@pytest.mark.parametrize("noise", OTHERS)
def test_conditional_latents_follow_the_truncated_law(noise, a):
    law = REFERENCE[noise]
    uniforms = torch.linspace(0.001, 0.999, 999).double()
    logits = torch.full_like(uniforms, a / 2)
    for bit, sign in ((1.0, 1), (0.0, -1)):
        chance = law.cdf(sign * a)
        if chance == 0:
            continue
        bits = torch.full_like(uniforms, bit)
        values = conditional_latent(SBN(noise=noise, slope=2.0), logits, bits, uniforms)
        assert (sign * values > 0).all()
        # The uniform is the share of the truncated law between 0 and the latent.
        beyond = law.cdf(sign * a - sign * values.numpy()) / chance
        np.testing.assert_allclose(1 - beyond, uniforms, atol=1e-9)


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("noise", LAWS)
def test_the_derivative_of_z_given_the_bits_is_that_of_the_formula(noise, coupled):
    neuron = SBN(noise=noise, slope=0.8)
    logits = torch.tensor([-0.55, -0.2, 0.0, 0.4, 0.6, 2.0]).double().expand(300, 1, 1, 6)
    uniforms, fresh = Noise([0]).uniform(logits), Noise([1]).uniform(logits)
    bits = (uniforms < neuron.probability(logits)).double()
    drawn = latents(neuron, logits, bits, uniforms, GivenNoise(fresh), coupled)
    leaf = logits.clone().requires_grad_()
    if coupled:
        # The uniform that gives the same latent.
        p = neuron.probability(logits)
        fresh = 1 - torch.where(bits > 0, uniforms / p, (1 - uniforms) / (1 - p))
    again = conditional_latent(neuron, leaf, bits, fresh)
    torch.testing.assert_close(drawn.points[-1], again.detach(), rtol=1e-8, atol=1e-8)
    (derivative,) = torch.autograd.grad(again.sum(), leaf)
    torch.testing.assert_close(drawn.derivative, derivative, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("noise", OTHERS)
def test_latents_in_float32_are_those_of_float64(noise):
    neuron = SBN(noise=noise)
    units = torch.tensor([-4.5, -0.499, -0.3, 0.0, 0.4, 0.499, 3.0, 6.0, 40.0])
    logits = units.expand(20_000, 1, 1, -1)
    uniforms, fresh = Noise([0]).uniform(logits), Noise([1]).uniform(logits)
    bits = (uniforms < neuron.probability(logits)).float()
    single, double = (
        latents(*[neuron, logits.to(t), bits.to(t), uniforms.to(t)], GivenNoise(fresh), False)
        for t in (torch.float32, torch.float64)
    )
    torch.testing.assert_close(single.points.double(), double.points, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(single.derivative.double(), double.derivative, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("noise", LAWS)
@pytest.mark.parametrize("build", [STGumbel, GumbelRao, GumbelSigmoid])
def test_relaxations_are_exact_on_linear_losses_in_the_limit_of_small_temperatures(build, noise):
    neuron, logits = SBN(noise=noise, slope=0.6), torch.full_like(GRID, 0.5).requires_grad_()
    # For Gumbel-Rao, firing and one draw are points of a lattice.
    second = (GRID * 100_000 * 0.6180339887) % 1
    estimator = build(neuron=neuron, temperature=0.01)
    if isinstance(estimator, GumbelRao):
        estimator = GumbelRao(neuron=neuron, temperature=0.01, draws=1)
    loss = estimator(logits, lambda bits: bits.sum(-1), GivenNoise(GRID, second))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    expected = 0.6 * REFERENCE[noise].pdf(0.3)
    assert gradient.mean().item() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("noise", OTHERS)
def test_gumbel_sigmoid_is_unbiased_for_its_relaxed_objective(noise):
    grid = ((torch.arange(200_000).double() + 0.5) / 200_000).view(-1, 1, 1, 1)

    def objective(a: float) -> float:
        def integrand(z: float) -> float:
            return float(np.sin(2 * stats.logistic.cdf((a + z) / 0.5)) * REFERENCE[noise].pdf(z))

        edge = 0.5 if noise == "uniform" else 12
        return integrate.quad(integrand, -edge, edge, epsabs=1e-12)[0]

    expected = 0.6 * (objective(0.3 + 1e-4) - objective(0.3 - 1e-4)) / 2e-4
    estimator = GumbelSigmoid(neuron=SBN(noise=noise, slope=0.6), temperature=0.5)
    logits = torch.full_like(grid, 0.5).requires_grad_()
    loss = estimator(logits, lambda bits: torch.sin(2 * bits).sum(-1), GivenNoise(grid))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert gradient.mean().item() == pytest.approx(expected, abs=1e-6)
