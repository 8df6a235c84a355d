"""Estimators under each law of noise: which are exact or unbiased, and where others miss."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from all_estimators import PAIRINGS, UNBIASED, UNBIASED_CLASSES, build_of
from enumeration import GivenNoise, exact_gradient, load, mean_gradient, multilinear
from quadrature import all_draws, estimates, exact, mean, wavy
from scipy import integrate, stats
from test_unbiased import ENUMERABLE, TWO_UNITS, experienced
from torch import Tensor

from bnrun.conformance.findings import agreement
from bnrun.conformance.measurement import SIDES, measure
from bnrun.conformance.problems import problems
from bnrun.conformance.target import SLOPES
from bnrun.core.fields import validated
from bnrun.core.laws import LAWS
from bnrun.core.neurons import DBN, SBN, LawNeuron
from bnrun.core.noise import Noise
from bnrun.estimators.exact import Exact, patterns
from bnrun.estimators.gumbel import GumbelRao, GumbelSigmoid, STGumbel
from bnrun.estimators.noise_law_st import ClippedST, GaussianST
from bnrun.estimators.rebar import REBAR
from bnrun.estimators.reinmax import ReinMax
from bnrun.estimators.relax import RELAX
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.estimators.tools.latents import conditional_latent, latent
from bnrun.estimators.tools.relaxed_control import latents

# All but one, which refuses noise that is not logistic.
FOLLOWING = [pair for pair in PAIRINGS if pair[0] != "reinmax_rao"]

REFERENCE = {"logistic": stats.logistic, "normal": stats.norm, "uniform": stats.uniform(loc=-0.5)}
OTHERS = ["normal", "uniform"]
UNITS = torch.tensor([0.3, -0.7, 0.1]).double()
# Slopes at which UNITS, and the logits of the quadrature, are within the support.
NEURONS = [
    SBN(noise="normal"),
    SBN(noise="normal", signed=True, slope=0.6),
    SBN(noise="uniform", slope=0.3),
    SBN(noise="uniform", signed=True, slope=0.2),
    SBN(noise="uniform", slope=0.6),  # One of the logits, -1.3, is outside of the support.
]


def quadratic(activations: Tensor) -> Tensor:
    a, b, c = activations.unbind(-1)
    return (a - 0.3) ** 2 + a * b + 2 * (a * b * c) ** 2 - b**2 * c + c


# Exact


@pytest.mark.parametrize("slope", [0.3, 0.55])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", LAWS)
def test_exact_is_the_finite_difference_of_the_mean_loss_under_the_law(name, signed, slope):
    neuron, loss = SBN(noise=name, signed=signed, slope=slope), partial(wavy, weights=UNITS + 1)
    bits = patterns(3, UNITS)

    def mean_loss(logits: np.ndarray) -> float:
        p = REFERENCE[name].cdf(slope * logits)
        chances = np.where(bits.numpy() > 0, p, 1 - p).prod(-1)
        return float(chances @ loss(neuron.encode(bits)).numpy())

    logits = UNITS.view(1, 1, -1).clone().requires_grad_()
    value = Exact(neuron=neuron)(logits, loss, Noise([0]))
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.item() == pytest.approx(mean_loss(UNITS.numpy()), abs=1e-12)
    for unit, step in product(range(3), [1e-5]):
        shift = step * np.eye(3)[unit]
        ends = [mean_loss(UNITS.numpy() + sign * shift) for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / (2 * step)
        assert gradient[0, 0, unit].item() == pytest.approx(difference, abs=1e-8)


# Unbiased


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("case", [case for case in ENUMERABLE if "rebar" not in case])
def test_mean_over_all_draws_is_exact(case, neuron):
    build, layout, nodes = ENUMERABLE[case]
    logits = torch.cat([TWO_UNITS, TWO_UNITS[:1] + 0.5])
    estimator = experienced(build(neuron), wavy, logits)
    result = mean(*all_draws(estimator, wavy, layout, nodes, logits))
    for side, ours, truth in zip(
        result._fields, result, exact(estimator, wavy, logits), strict=True
    ):
        assert torch.allclose(ours, truth, rtol=1e-9, atol=1e-9), side


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("build", [REBAR, partial(RELAX, hidden=8, lr=0.1)], ids=["rebar", "relax"])
def test_mean_of_relaxed_control_variates_over_all_draws_is_exact(build, neuron, coupled):
    # Independent noise for z~ doubles the number of axes to integrate over.
    logits = TWO_UNITS if coupled else TWO_UNITS[:1]
    estimator = experienced(build(neuron, coupled=coupled), wavy, logits)
    layout = "one" if coupled else "fresh"
    result = mean(*all_draws(estimator, wavy, layout, 60, logits))
    # Quantiles of the normal law are unbounded, so that quadrature converges slowly.
    error = 1e-4 if neuron.noise == "normal" else 1e-9
    for ours, truth in zip(result, exact(estimator, wavy, logits), strict=True):
        assert torch.allclose(ours, truth, rtol=error, atol=error)


@pytest.mark.parametrize("noise", OTHERS)
@pytest.mark.parametrize("name", UNBIASED)
def test_every_unbiased_estimator_agrees_with_enumeration_in_two_layers(name, noise):
    (problem,) = (p for p in problems() if p.name == "2 layers, quadratic")
    neuron = SBN(noise=noise, slope=SLOPES[noise])
    measured = measure(build_of(name), problem, neuron, precision=0.01)
    for side in SIDES:
        compared = agreement(measured, side)
        assert compared.holds, (side, compared)


@validated
class LogisticScore(SBN):
    """Fires by its law, with the score and the derivative of the logistic law: wrong."""

    def score_slope(self, logits: Tensor) -> float:
        return self.slope

    def derivative(self, logits: Tensor) -> Tensor:
        p = self.probability(logits.detach())
        return self.slope * p * (1 - p)


@pytest.mark.parametrize("noise", OTHERS)
@pytest.mark.parametrize("name", [name for name in UNBIASED_CLASSES if name != "exact"])
def test_the_score_of_another_law_is_found_biased(name, noise):
    (problem,) = (p for p in problems() if p.name == "1 layer, quadratic")
    neuron = LogisticScore(noise=noise, slope=SLOPES[noise])
    measured = measure(build_of(name), problem, neuron, precision=0.02)
    assert not agreement(measured, "logits").holds


# Straight-through

MEMBERS = {
    "logistic": SigmoidST,
    "normal": GaussianST,
    "uniform": partial(ClippedST, slope=2.0),
}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("noise", LAWS)
@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_is_exact_on_multilinear_losses_under_its_own_law_alone(member, noise, signed):
    neuron = SBN(noise=noise, signed=signed, slope=0.6)
    estimate = mean_gradient(MEMBERS[member](neuron=neuron), UNITS, multilinear)
    truth = exact_gradient(neuron, UNITS, multilinear)
    if member == noise:
        torch.testing.assert_close(estimate, truth, rtol=0, atol=1e-9)
    else:
        assert (estimate - truth).norm() > 0.05 * truth.norm()


@pytest.mark.parametrize("noise", OTHERS)
def test_sigmoid_st_with_a_slope_is_the_logistic_density_under_every_law(noise):
    neuron = SBN(noise=noise, slope=0.6)
    logits = UNITS.view(1, 1, -1).clone().requires_grad_()
    for slope in (1.0, 1.5):
        loss = SigmoidST(neuron=neuron, slope=slope)(logits, lambda b: b.sum(-1), Noise([0]))
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        expected = 0.6 * slope * stats.logistic.pdf(0.6 * slope * UNITS)
        np.testing.assert_allclose(gradient.flatten(), expected, rtol=1e-12)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("noise", LAWS)
def test_reinmax_is_exact_on_quadratics_under_every_law(noise, signed):
    neuron = SBN(noise=noise, signed=signed, slope=0.6)
    truth = exact_gradient(neuron, UNITS, quadratic)
    estimate = mean_gradient(ReinMax(neuron=neuron), UNITS, quadratic)
    torch.testing.assert_close(estimate, truth, rtol=0, atol=1e-9)

    def cube(activations: Tensor) -> Tensor:
        return (activations + 1).pow(3).sum(-1)

    truth = exact_gradient(neuron, UNITS, cube)
    estimate = mean_gradient(ReinMax(neuron=neuron), UNITS, cube)
    assert (estimate - truth).norm() > 0.02 * truth.norm()


def test_reinmax_keeps_the_digits_of_a_saturated_unit_under_normal_noise():
    logits, ones = torch.tensor([5.0]), torch.ones(1)
    expected = stats.norm.pdf(5.0) / (2 * stats.norm.cdf(5.0))
    multiplier = ReinMax(neuron=SBN(noise="normal")).multiplier(logits, ones)
    assert multiplier.item() == pytest.approx(expected, rel=1e-4)


# Relaxations


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
    grid = ((torch.arange(100_000).double() + 0.5) / 100_000).view(-1, 1, 1, 1)
    neuron, logits = SBN(noise=noise, slope=0.6), torch.full_like(grid, 0.5).requires_grad_()
    # For Gumbel-Rao, firing and one draw are points of a lattice.
    second = (grid * 100_000 * 0.6180339887) % 1
    estimator = build(neuron=neuron, temperature=0.01)
    if isinstance(estimator, GumbelRao):
        estimator = GumbelRao(neuron=neuron, temperature=0.01, draws=1)
    loss = estimator(logits, lambda bits: bits.sum(-1), GivenNoise(grid, second))
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


# Every estimator


@pytest.mark.parametrize("noise", OTHERS)
@pytest.mark.parametrize(
    ("name", "neuron"), [pair for pair in FOLLOWING if issubclass(pair[1], LawNeuron)]
)
def test_every_estimator_is_finite_at_extreme_logits_under_every_law(name, neuron, noise):
    for dtype in (torch.float32, torch.float64):
        for value in (3e38, 1e19, 1e4, 40.0, 14.0, 12.9, 9.3, 5.4, 0.5, 1e-45, 0.0):
            for sign in (1, -1):
                logits = torch.full((1, 3, 4), sign * value, dtype=dtype)
                logits[0, 0, :2] = torch.tensor([0.3, -2.0])
                leaf = logits.requires_grad_()
                estimator = build_of(name)(neuron(noise=noise))
                loss = estimator(leaf, lambda bits: (bits.sum(-1) - 0.3) ** 2, Noise([0]))
                loss.sum().backward()
                assert loss.isfinite().all(), (value, sign)
                assert leaf.grad.isfinite().all(), (value, sign)


@pytest.mark.parametrize("noise", OTHERS)
@pytest.mark.parametrize("name", UNBIASED)
def test_certain_units_get_no_gradient_under_every_law(name, noise):
    logits = torch.tensor([1e4, -1e4, 0.1])
    drawn = estimates(build_of(name)(SBN(noise=noise)), wavy, Noise([0]), 50, logits)
    assert drawn.logits[:, :2].abs().max() == 0


def test_a_deterministic_neuron_is_trained_the_same_under_every_law():
    logits = UNITS.view(1, 1, -1).clone().requires_grad_()
    gradients = []
    for noise in LAWS:
        estimator = load("sigmoid_st").__class__(neuron=DBN(noise=noise))
        loss = estimator(logits, lambda bits: bits.sum(-1), GivenNoise())
        gradients.append(torch.autograd.grad(loss.sum(), logits)[0])
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])
