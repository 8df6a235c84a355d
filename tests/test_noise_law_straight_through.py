"""Straight-through estimators are exact under their own law of noise, and miss under others."""

from functools import partial

import numpy as np
import pytest
import torch
from enumeration import (
    UNITS,
    GivenNoise,
    exact_gradient,
    load,
    mean_gradient,
    multilinear,
    quadratic,
)
from noise_laws import OTHERS
from scipy import stats
from torch import Tensor

from bnrun.core.laws import LAWS
from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.estimators.noise_law_st import ClippedST, GaussianST
from bnrun.estimators.reinmax import ReinMax
from bnrun.estimators.sigmoid_st import SigmoidST

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


def test_a_deterministic_neuron_is_trained_the_same_under_every_law():
    logits = UNITS.view(1, 1, -1).clone().requires_grad_()
    gradients = []
    for noise in LAWS:
        estimator = load("sigmoid_st").__class__(neuron=DBN(noise=noise))
        loss = estimator(logits, lambda bits: bits.sum(-1), GivenNoise())
        gradients.append(torch.autograd.grad(loss.sum(), logits)[0])
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])
