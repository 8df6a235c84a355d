"""Neurons that differentiate themselves: their activations, and the gradients of backprop."""

import math

import numpy as np
import pytest
import torch
from enumeration import GivenNoise, load
from firing import BINARY, DRAWS, LOGITS, SILENT
from scipy import integrate, stats

from bnrun.core.bengio_neurons import STS, NoisyRectifier, NoisySigmoid, Rectifier
from bnrun.core.neurons import Neuron, Real
from bnrun.core.noise import Noise
from bnrun.estimators.backprop import Backprop


def derivative(neuron: Neuron, logits: torch.Tensor, noise: Noise) -> torch.Tensor:
    logits = logits.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(neuron.activate(logits, noise).sum(), logits)
    return gradient


@pytest.mark.parametrize("neuron", [Real, Rectifier, NoisyRectifier, NoisySigmoid, STS])
def test_activation_is_the_way_of_evaluating_that_the_mode_names(neuron):
    actual = getattr(neuron(), neuron.mode)(LOGITS, Noise([0]))
    assert torch.equal(actual, neuron().activate(LOGITS, Noise([0])))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("uniform", [0.0, 0.5])
@pytest.mark.parametrize("neuron", [Real, STS])
def test_gradients_are_finite_at_extreme_logits(neuron, uniform, dtype):
    logits = torch.tensor([[[1e4, -1e4, 0.0, 90.0, -90.0]]], dtype=dtype)
    assert derivative(neuron(), logits, GivenNoise(uniform)).isfinite().all()


@pytest.mark.parametrize("neuron", [Real, Rectifier, NoisyRectifier, NoisySigmoid, STS])
def test_backprop_uses_the_gradient_of_the_forward_pass(neuron):
    estimator = Backprop(neuron=neuron())
    logits = LOGITS.clone().requires_grad_()
    loss = estimator(logits, lambda activations: (activations**2).sum(-1), Noise([0]))
    assert loss.shape == (1, 1)
    loss.sum().backward()
    activations = neuron().activate(LOGITS, Noise([0]))
    expected = 2 * activations * derivative(neuron(), LOGITS, Noise([0]))
    torch.testing.assert_close(logits.grad, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("neuron", BINARY)
def test_backprop_rejects_a_binary_neuron_with_advice(neuron):
    with pytest.raises(
        ValueError, match=rf"Backprop does not support neuron {neuron.__name__}: choose neuron=re"
    ):
        Backprop(neuron=neuron())


def test_backprop_loads_from_its_config():
    assert load("backprop", "sts") == Backprop(neuron=STS())


def test_real_neuron_is_a_sigmoid_with_its_own_derivative():
    neuron = Real(signed=True, slope=3.0)
    expected = 2 * 3 * stats.logistic.pdf(3 * LOGITS.numpy())
    np.testing.assert_allclose(derivative(neuron, LOGITS, SILENT), expected, rtol=1e-9)


# Noisy rectifier


def test_noisy_rectifier_adds_noise_and_clips_at_zero():
    neuron = NoisyRectifier(slope=2.0, std=0.5)
    normals = stats.norm.ppf(0.2)
    expected = np.maximum(0, 2 * LOGITS.numpy() + 0.5 * normals)
    np.testing.assert_allclose(neuron.activate(LOGITS, GivenNoise(0.2)), expected, rtol=1e-9)
    assert (expected == 0).any()
    slopes = derivative(neuron, LOGITS, GivenNoise(0.2))
    np.testing.assert_array_equal(slopes, 2.0 * (expected > 0))


def test_noisy_rectifier_thresholded_is_a_rectifier():
    actual = NoisyRectifier(slope=2.0).thresholded(LOGITS, SILENT)
    assert torch.equal(actual, torch.relu(2 * LOGITS))


@pytest.mark.parametrize("std", [0.3, 2.0, 20.0])
def test_noisy_rectifier_mean_field_and_probability_are_those_of_its_noise(std):
    neuron = NoisyRectifier(slope=1.5, std=std)
    for logit in LOGITS.flatten().tolist():
        law, point = stats.norm(1.5 * logit, std), torch.tensor([[[logit]]]).double()
        mean, _ = integrate.quad(
            lambda value, law=law: value * law.pdf(value),
            0,
            12 * std + 20,
            points=[3.0],
            epsabs=1e-12,
        )
        assert neuron.mean_field(point, SILENT).item() == pytest.approx(mean, abs=1e-9)
        assert neuron.probability(point).item() == pytest.approx(law.sf(0), abs=1e-12)


def test_noisy_rectifier_rejects_signed_outputs_with_advice():
    with pytest.raises(ValueError, match=r"signed=True does not apply.*keep neuron.signed=false"):
        NoisyRectifier(signed=True)


def test_noisy_rectifier_rejects_a_std_of_zero():
    with pytest.raises(ValueError, match="std"):
        NoisyRectifier(std=0.0)


# Stochastic times smooth


@pytest.mark.parametrize("signed", [False, True])
def test_sts_outputs_the_root_if_it_fires_and_its_gradient_treats_the_bit_as_constant(signed):
    neuron = STS(signed=signed, slope=2.0)
    p = torch.sigmoid(2 * LOGITS)
    root = p.sqrt()
    for uniform, bit in ((root - 1e-9, 1.0), (root + 1e-9, 0.0)):
        expected = 2 * bit * root - 1 if signed else bit * root
        actual = neuron.activate(LOGITS, GivenNoise(uniform))
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
        slopes = neuron.span * 2.0 * bit * root * (1 - p) / 2
        actual = derivative(neuron, LOGITS, GivenNoise(uniform))
        torch.testing.assert_close(actual, slopes, rtol=0, atol=1e-12)


def test_sts_has_the_mean_of_mean_field():
    samples = STS().sampled(LOGITS.expand(DRAWS, 1, 1, 6), Noise([0]))
    p = stats.logistic.cdf(LOGITS.flatten().numpy())
    np.testing.assert_allclose(STS().mean_field(LOGITS, SILENT).flatten(), p, rtol=1e-12)
    # The output is sqrt(p) with probability sqrt(p).
    error = np.sqrt(p * np.sqrt(p) * (1 - np.sqrt(p)) / DRAWS)
    assert (np.abs(samples.mean((0, 1, 2)).numpy() - p) < 4 * error).all()
    np.testing.assert_allclose(STS().probability(LOGITS).flatten(), np.sqrt(p), rtol=1e-12)


def test_sts_thresholded_fires_if_the_bit_is_more_likely_than_not():
    edge = -math.log(3)
    logits = torch.tensor([[[edge - 1e-6, edge + 1e-6, 0.0]]]).double()
    actual = STS().thresholded(logits, SILENT).flatten().tolist()
    assert actual == pytest.approx([0.0, 0.5, math.sqrt(0.5)], abs=1e-6)


def test_rectifier_clips_at_zero_in_every_way_of_evaluating():
    neuron = Rectifier(slope=2.0)
    for way in (neuron.activate, neuron.thresholded, neuron.sampled, neuron.mean_field):
        np.testing.assert_array_equal(way(LOGITS, SILENT), np.maximum(0, 2 * LOGITS.numpy()))
    np.testing.assert_array_equal(neuron.probability(LOGITS), LOGITS.numpy() > 0)


def test_noisy_sigmoid_adds_noise_before_the_sigmoid():
    neuron, logits = NoisySigmoid(slope=2.0, std=0.5), LOGITS.expand(DRAWS, 1, 1, 6)
    noise = stats.logistic.ppf(neuron.activate(logits, Noise([0])).numpy()) - 2 * LOGITS.numpy()
    error = 0.5 / math.sqrt(DRAWS)
    assert (np.abs(noise.mean((0, 1, 2))) < 4 * error).all()
    assert (np.abs(noise.std((0, 1, 2)) - 0.5) < 4 * error / math.sqrt(2)).all()


def test_rectifier_rejects_signed_outputs_with_advice():
    with pytest.raises(ValueError, match=r"neuron\.signed=false, or choose neuron=real"):
        Rectifier(signed=True)
