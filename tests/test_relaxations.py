"""Gumbel-sigmoid, ST-Gumbel and Gumbel-Rao: interface, forward pass, gradient, annealing."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from enumeration import GivenNoise, exact_gradient, gradient, load
from interface import EXTREME, LOGITS, Interface
from scipy import integrate, stats
from torch import Tensor

from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.estimators.base import Progress
from bnrun.estimators.gumbel import GumbelRao, GumbelSigmoid, Relaxation, STGumbel
from bnrun.estimators.tools.latents import conditional_latent, latent

NAMES = ["gumbel_sigmoid", "st_gumbel", "gumbel_rao"]
HARD = ["st_gumbel", "gumbel_rao"]
CLASSES: list[type[Relaxation]] = [GumbelSigmoid, STGumbel, GumbelRao]
# Midpoints of 100,000 equal intervals: the mean over them is the mean over a uniform.
GRID = ((torch.arange(100_000).double() + 0.5) / 100_000).view(-1, 1, 1, 1)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", NAMES)
class TestInterface(Interface):
    pass


def activations_of(estimator: Relaxation, logits: Tensor, noise: Noise) -> Tensor:
    seen = []

    def downstream(activations: Tensor) -> Tensor:
        seen.append(activations.detach())
        return activations.sum(-1)

    estimator(logits.detach().requires_grad_(), downstream, noise)
    (activations,) = seen
    return activations


def total(activations: Tensor) -> Tensor:
    return activations.sum(-1)


def grid_mean(estimator: Relaxation, logit: float, downstream: Callable[[Tensor], Tensor]) -> float:
    """Mean estimate of one unit over the grid of uniforms."""
    logits = torch.full_like(GRID, logit)
    return gradient(estimator, logits, downstream, GivenNoise(GRID)).mean().item()


# Logistic noise


def test_latents_are_above_zero_where_the_neuron_fires():
    neuron = SBN(slope=2.0)
    logits = torch.cat([LOGITS, EXTREME]).expand(500, 1, 4, 4)
    latents = latent(neuron, logits, Noise([0]).uniform(logits))
    assert torch.equal(latents > 0, neuron.fire(logits, Noise([0])) > 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_latents_are_below_zero_where_the_probability_is_zero(dtype):
    logits = torch.tensor([-1e4, -1e3, 1e4], dtype=dtype)
    latents = latent(SBN(), logits, torch.zeros_like(logits))
    assert latents.sign().tolist() == [-1, -1, 1]
    assert latents.isfinite().all()


@pytest.mark.parametrize("logit", [-6.0, -0.4, 0.0, 1.3])
def test_conditional_latents_follow_the_truncated_logistic_law(logit):
    neuron, uniforms = SBN(slope=2.0), torch.linspace(0.001, 0.999, 999).double()
    logits = torch.full_like(uniforms, logit)
    law = stats.logistic(loc=2.0 * logit)
    above = conditional_latent(neuron, logits, torch.ones_like(logits), uniforms).numpy()
    below = conditional_latent(neuron, logits, torch.zeros_like(logits), uniforms).numpy()
    assert (above > 0).all()
    assert (below < 0).all()
    # The uniform is the share of the truncated law between 0 and the latent.
    np.testing.assert_allclose((law.cdf(above) - law.cdf(0)) / law.sf(0), uniforms, atol=1e-10)
    np.testing.assert_allclose((law.cdf(0) - law.cdf(below)) / law.cdf(0), uniforms, atol=1e-10)


def test_conditional_latents_have_the_derivative_of_their_formula():
    logits = torch.tensor([-2.0, 0.0, 0.7], dtype=torch.float64).requires_grad_()
    uniforms = torch.tensor([0.2, 0.9, 0.5], dtype=torch.float64)
    for bit in (0.0, 1.0):
        bits = torch.full_like(uniforms, bit)
        assert torch.autograd.gradcheck(
            lambda a, b=bits: conditional_latent(SBN(slope=1.5), a, b, uniforms), logits
        )


# Forward


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", HARD)
def test_bits_are_those_that_the_neuron_fires(name, signed, dtype):
    estimator = load(name, signed=signed)
    logits = torch.cat([LOGITS, EXTREME]).to(dtype).expand(200, 2, 4, 4)
    activations = activations_of(estimator, logits, Noise([3, 4]))
    fired = estimator.neuron.fire(logits, Noise([3, 4]))
    assert torch.equal(activations, estimator.neuron.encode(fired))
    assert set(activations.unique().tolist()) == ({-1.0, 1.0} if signed else {0.0, 1.0})


@pytest.mark.parametrize("forward_temperature", [0.5, 1.0, 3.0])
def test_forward_temperature_scales_the_noise_of_the_firing(forward_temperature):
    neuron = SBN(slope=2.0)
    estimator = STGumbel(neuron=neuron, forward_temperature=forward_temperature)
    logits = torch.full_like(GRID, 0.6)
    rate = activations_of(estimator, logits, GivenNoise(GRID)).mean().item()
    assert rate == pytest.approx(stats.logistic.cdf(1.2 / forward_temperature), abs=1e-5)
    assert estimator.evaluation_neuron == SBN(slope=2.0 / forward_temperature)


def test_soft_bits_are_the_sigmoid_of_the_tempered_latents():
    uniforms = torch.tensor([0.1, 0.5, 0.95], dtype=torch.float64).view(1, 1, 3)
    logits = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64).view(1, 1, 3)
    expected = torch.sigmoid((3 * logits - torch.logit(uniforms)) / 0.7)
    for signed, expected_bits in ((False, expected), (True, 2 * expected - 1)):
        estimator = GumbelSigmoid(neuron=SBN(signed=signed, slope=3.0), temperature=0.7)
        result = activations_of(estimator, logits, GivenNoise(uniforms))
        torch.testing.assert_close(result, expected_bits, rtol=1e-12, atol=0)


# Gradient


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


# Annealing


@pytest.mark.parametrize(("per", "passed"), [("epoch", 3), ("step", 40)])
@pytest.mark.parametrize("estimator", CLASSES)
def test_temperature_shrinks_with_each_epoch_or_step(estimator, per, passed):
    start = estimator(neuron=SBN(), temperature=2.0, decay=0.98, per=per)
    now = start.at(Progress(step=40, epoch=3))
    assert now.temperature == pytest.approx(2.0 * 0.98**passed, rel=1e-12)
    assert now.scalars() == {"temperature": now.temperature}
    assert start.at(Progress(0, 0)) == start


@pytest.mark.parametrize("estimator", CLASSES)
def test_temperature_stops_at_the_floor_however_long_the_training(estimator):
    start = estimator(neuron=SBN(), temperature=2.0, decay=0.9, per="step", floor=0.5)
    assert start.at(Progress(step=13, epoch=0)).temperature > 0.5
    assert start.at(Progress(step=14, epoch=0)).temperature == 0.5
    assert start.at(Progress(step=10**9, epoch=0)).temperature == 0.5


def test_temperature_without_decay_stays():
    estimator = STGumbel(neuron=SBN(), temperature=0.05)
    assert estimator.at(Progress(step=1000, epoch=10)) is estimator


# Refusals


@pytest.mark.parametrize("estimator", CLASSES)
def test_a_deterministic_neuron_is_refused_with_what_to_do(estimator):
    with pytest.raises(ValueError, match=r"does not support neuron DBN: choose neuron=sbn, or an"):
        estimator(neuron=DBN())


@pytest.mark.parametrize("estimator", CLASSES)
def test_floor_above_the_temperature_is_refused(estimator):
    with pytest.raises(ValueError, match=r"floor=0.5 is above temperature=0.2.*at most 0.2"):
        estimator(neuron=SBN(), temperature=0.2, decay=0.9, floor=0.5)


@pytest.mark.parametrize(
    "fields", [{"temperature": 0.0}, {"decay": 0.0}, {"decay": 1.1}, {"floor": -1.0}]
)
@pytest.mark.parametrize("estimator", CLASSES)
def test_a_value_out_of_range_is_refused(estimator, fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        estimator(neuron=SBN(), **fields)


def test_the_firing_neuron_of_st_gumbel_includes_the_forward_temperature(double):
    estimator = STGumbel(neuron=SBN(), forward_temperature=0.5)
    logits, seen = torch.tensor([-1.0, 0.3, 2.0]).expand(1, 40_000, 3), []

    def downstream(bits):
        seen.append(bits)
        return bits.sum(-1)

    estimator(logits, downstream, Noise([0]))
    p = estimator.firing_neuron.probability(logits[0, 0])
    torch.testing.assert_close(p, torch.sigmoid(2 * logits[0, 0]))
    z = (seen[0].mean((0, 1)) - p) / (p * (1 - p) / 40_000).sqrt()
    assert z.abs().max() < 4
