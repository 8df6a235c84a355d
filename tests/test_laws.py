"""Laws of noise: distribution, density and quantile, and what neurons make of them."""

import math

import numpy as np
import pytest
import torch
from enumeration import GivenNoise
from scipy import stats

from bnrun.core.laws import LAWS, LOGISTIC
from bnrun.core.neurons import DBN, SBN, Real
from bnrun.core.noise import Noise

REFERENCE = {"logistic": stats.logistic, "normal": stats.norm, "uniform": stats.uniform(loc=-0.5)}
POINTS = torch.tensor([-6.0, -1.7, -0.49, -0.3, 0.0, 1e-3, 0.2, 0.49, 1.1, 5.0]).double()
INSIDE = torch.tensor([-0.45, -0.2, 0.0, 0.1, 0.4]).double()
EXTREME = [3e38, -3e38, 1e19, -1e19, 200.0, -200.0, 14.0, -14.0, 12.9, -12.9, 0.5, -0.5]
NEURONS = [DBN, SBN, Real]
DRAWS = 200_000


@pytest.mark.parametrize("name", LAWS)
def test_distribution_density_and_quantile_are_those_of_the_law(name):
    law, reference = LAWS[name], REFERENCE[name]
    np.testing.assert_allclose(law.distribution(POINTS), reference.cdf(POINTS), rtol=1e-13)
    np.testing.assert_allclose(law.density(POINTS), reference.pdf(POINTS), rtol=1e-12)
    levels = torch.tensor([1e-9, 0.01, 0.3, 0.5, 0.9]).double()
    np.testing.assert_allclose(law.quantile(levels), reference.ppf(levels), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_the_density_is_the_derivative_of_the_distribution(name):
    law = LAWS[name]
    a = torch.cat([POINTS, torch.tensor([-0.5, 0.5])]).double().requires_grad_()
    (derivative,) = torch.autograd.grad(law.distribution(a).sum(), a)
    torch.testing.assert_close(derivative, law.density(a.detach()), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", LAWS)
def test_log_odds_and_score_are_those_of_the_probability(name):
    law = LAWS[name]
    a = INSIDE.clone().requires_grad_()
    p = REFERENCE[name].cdf(INSIDE)
    np.testing.assert_allclose(law.log_odds(INSIDE), np.log(p / (1 - p)), rtol=1e-12, atol=1e-15)
    (derivative,) = torch.autograd.grad(law.log_odds(a).sum(), a)
    torch.testing.assert_close(derivative, law.score(INSIDE), rtol=1e-12, atol=0)
    expected = REFERENCE[name].pdf(INSIDE) / (p * (1 - p))
    np.testing.assert_allclose(law.score(INSIDE), expected, rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_the_lower_tail_keeps_its_digits_in_float32(name):
    tail = [-12.0, -7.0, -3.0] if name != "uniform" else [-0.499, -0.4]
    a = torch.tensor(tail)
    exact = REFERENCE[name].cdf(a.double().numpy())
    np.testing.assert_allclose(LAWS[name].distribution(a), exact, rtol=2e-5)
    pdf = REFERENCE[name].pdf(a.double().numpy())
    np.testing.assert_allclose(LAWS[name].score(a), pdf / exact / (1 - exact), rtol=2e-5)
    odds = np.log(exact) - np.log1p(-exact)
    np.testing.assert_allclose(LAWS[name].log_odds(a), odds, rtol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("slope", [1.0, 1e18])
@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("name", LAWS)
def test_everything_is_finite_at_extreme_logits(name, neuron, slope, dtype):
    unit = neuron(noise=name, slope=slope)
    logits = torch.tensor(EXTREME, dtype=dtype).view(1, 1, -1).requires_grad_()
    score = torch.as_tensor(unit.score_slope(logits))
    for value in (unit.probability(logits), unit.derivative(logits), score):
        assert value.isfinite().all()
    for value in (unit.probability(logits), unit.log_odds(logits) / slope):
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        assert gradient.isfinite().all()
    p = unit.probability(logits.detach())
    for bit in (0.0, 1.0):
        assert (score * (bit - p)).isfinite().all()


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_a_certain_bit_has_no_score(name):
    logits = torch.tensor([-200.0, 200.0, -0.5, 0.5]).view(1, 1, -1)
    score = SBN(noise=name).score_slope(logits).flatten()
    assert score[:2].tolist() == [0, 0]
    if name == "uniform":
        assert score[2:].tolist() == [0, 0]


def test_the_score_of_uniform_noise_is_finite_up_to_the_edges():
    for dtype in (torch.float32, torch.float64):
        edge = torch.tensor(0.5, dtype=dtype)
        within = torch.nextafter(edge, torch.zeros_like(edge))
        for a in (within, -within):
            score = LAWS["uniform"].score(a)
            assert score.isfinite()
            assert score > 1e6


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("name", LAWS)
def test_a_neuron_follows_its_law_in_every_way_of_evaluating(name, neuron, signed):
    unit = neuron(signed=signed, slope=0.7, noise=name)
    p = torch.from_numpy(REFERENCE[name].cdf(0.7 * POINTS.numpy())).view(1, 1, -1)
    logits = POINTS.view(1, 1, -1)
    torch.testing.assert_close(unit.probability(logits), p, rtol=1e-12, atol=0)
    mean = 2 * p - 1 if signed else p
    torch.testing.assert_close(unit.mean_field(logits, GivenNoise()), mean, rtol=1e-9, atol=1e-15)
    for shift, bit in ((1e-9, 0.0), (-1e-9, 1.0)):
        certain = (p == 0) | (p == 1)
        fired = unit.sampled(logits, GivenNoise((p + shift).where(~certain, 0.5)))
        expected = torch.full_like(p, bit).where(~certain, p)
        assert torch.equal(fired, unit.encode(expected))
    thresholded = unit.thresholded(logits, GivenNoise())
    assert torch.equal(thresholded, unit.encode((logits > 0).double()))


@pytest.mark.parametrize("name", LAWS)
def test_a_stochastic_neuron_fires_where_its_logit_exceeds_the_noise(name):
    unit = SBN(slope=0.4, noise=name)
    logits = torch.tensor([-1.0, 0.3, 0.9]).double().expand(DRAWS, 1, 1, 3)
    rate = unit.fire(logits, Noise([0])).mean((0, 1, 2)).numpy()
    p = REFERENCE[name].cdf(0.4 * np.array([-1.0, 0.3, 0.9]))
    assert (np.abs(rate - p) < 4 * np.sqrt(p * (1 - p) / DRAWS)).all()


@pytest.mark.parametrize("name", LAWS)
def test_derivative_and_score_slope_are_by_the_logit(name):
    unit, logits = SBN(slope=0.6, noise=name), INSIDE.clone().requires_grad_()
    (derivative,) = torch.autograd.grad(unit.probability(logits).sum(), logits)
    torch.testing.assert_close(unit.derivative(logits), derivative, rtol=1e-12, atol=0)
    p = unit.probability(INSIDE)
    score = unit.score_slope(logits) * p * (1 - p)
    torch.testing.assert_close(score, derivative, rtol=1e-12, atol=0)
    assert not unit.derivative(logits).requires_grad
    assert not torch.as_tensor(unit.score_slope(logits)).requires_grad
    (by_logit,) = torch.autograd.grad(unit.log_odds(logits).sum(), logits)
    slope = unit.score_slope(logits) * torch.ones_like(by_logit)
    torch.testing.assert_close(by_logit, slope, rtol=1e-12, atol=0)


def test_logistic_noise_is_the_sigmoid_to_the_bit():
    logits = torch.randn(1, 50, 20)
    for slope in (1.0, 1.7):
        unit = SBN(slope=slope)
        p = torch.sigmoid(slope * logits)
        assert unit.law is LOGISTIC
        assert torch.equal(unit.probability(logits), p)
        assert unit.score_slope(logits) == slope
        assert torch.equal(unit.log_odds(logits), slope * logits)
    assert torch.equal(
        SBN().derivative(logits), torch.sigmoid(logits) * (1 - torch.sigmoid(logits))
    )


@pytest.mark.parametrize("neuron", NEURONS)
def test_an_unknown_law_is_refused_with_those_that_exist(neuron):
    with pytest.raises(ValueError, match=r"noise\n.*'logistic', 'normal' or 'uniform'"):
        neuron(noise="gaussian")


def test_a_real_neuron_has_the_derivative_of_its_law():
    logits = INSIDE.view(1, 1, -1).clone().requires_grad_()
    for name, reference in REFERENCE.items():
        activations = Real(signed=True, slope=0.8, noise=name).activate(logits, GivenNoise())
        (gradient,) = torch.autograd.grad(activations.sum(), logits)
        expected = 2 * 0.8 * reference.pdf(0.8 * INSIDE.numpy())
        np.testing.assert_allclose(gradient.flatten(), expected, rtol=1e-9)
    assert math.isclose(float(Real(noise="normal").probability(torch.zeros(()))), 0.5)
