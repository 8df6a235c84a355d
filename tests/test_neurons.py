"""Neurons: their activations in each way of evaluating, and gradients of differentiable ones."""

import math

import numpy as np
import pytest
import torch
from enumeration import CONFIGS, GivenNoise, load
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy import integrate, stats

from bnrun.core.bengio_neurons import STS, NoisyRectifier, NoisySigmoid, Rectifier
from bnrun.core.neurons import DBN, SBN, BinaryNeuron, Neuron, Real
from bnrun.core.noise import Noise
from bnrun.estimators.backprop import Backprop

NEURONS = {
    "dbn": DBN,
    "sbn": SBN,
    "real": Real,
    "noisy_rectifier": NoisyRectifier,
    "noisy_sigmoid": NoisySigmoid,
    "rectifier": Rectifier,
    "sts": STS,
}
BINARY = [DBN, SBN]
LOGITS = torch.tensor([-3.0, -1.2, -math.log(3), 0.0, 0.4, 2.5]).double().view(1, 1, -1)
SILENT = GivenNoise()
"""Fails when a uniform is drawn."""
DRAWS = 200_000


def derivative(neuron: Neuron, logits: torch.Tensor, noise: Noise) -> torch.Tensor:
    logits = logits.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(neuron.activate(logits, noise).sum(), logits)
    return gradient


# All neurons


@pytest.mark.parametrize("name", NEURONS)
def test_a_config_builds_the_default_neuron(name):
    path = CONFIGS / "neuron" / f"{name}.yaml"
    assert path.read_text().startswith(f"# neuron={name}: ")
    assert instantiate(OmegaConf.load(path)) == NEURONS[name]()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("neuron", [DBN, SBN, Real, STS])
def test_signed_activations_are_2x_minus_1(neuron, signed):
    plain, other = neuron(), neuron(signed=signed)
    for way in ("thresholded", "sampled", "mean_field"):
        expected = getattr(plain, way)(LOGITS, Noise([0]))
        expected = 2 * expected - 1 if signed else expected
        assert torch.equal(getattr(other, way)(LOGITS, Noise([0])), expected)
    assert other.span == (2.0 if signed else 1.0)


@pytest.mark.parametrize("slope", [0.5, 3.0])
@pytest.mark.parametrize("neuron", NEURONS.values())
def test_slope_multiplies_the_logit(neuron, slope):
    for way in ("thresholded", "sampled", "mean_field"):
        actual = getattr(neuron(slope=slope), way)(LOGITS, Noise([0]))
        expected = getattr(neuron(), way)(slope * LOGITS, Noise([0]))
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("neuron", NEURONS.values())
def test_thresholded_and_mean_field_draw_nothing(neuron):
    neuron().thresholded(LOGITS, SILENT)
    neuron().mean_field(LOGITS, SILENT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("neuron", NEURONS.values())
def test_activations_are_finite_and_keep_shape_and_dtype(neuron, dtype):
    logits = torch.tensor([1e4, -1e4, 0.0, 90.0, -90.0], dtype=dtype).expand(4, 2, 3, 5)
    for way in ("thresholded", "sampled", "mean_field"):
        actual = getattr(neuron(), way)(logits, Noise([0, 1]))
        assert actual.shape == logits.shape
        assert actual.dtype == dtype
        assert actual.isfinite().all()


@pytest.mark.parametrize("slope", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("neuron", NEURONS.values())
def test_a_slope_out_of_range_is_rejected(neuron, slope):
    with pytest.raises(ValueError, match="slope"):
        neuron(slope=slope)


# Binary neurons


@pytest.mark.parametrize("neuron", BINARY)
def test_bits_are_exactly_zero_or_one_and_have_no_gradient(neuron):
    logits = LOGITS.float().expand(100, 1, 1, 6).clone().requires_grad_()
    bits = neuron().fire(logits, Noise([0]))
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    assert not bits.requires_grad


@pytest.mark.parametrize("neuron", BINARY)
def test_the_forward_pass_is_the_way_of_evaluating_that_the_mode_names(neuron):
    assert issubclass(neuron, BinaryNeuron)
    actual = getattr(neuron(signed=True), neuron.mode)(LOGITS, Noise([0]))
    assert torch.equal(actual, 2 * neuron().fire(LOGITS, Noise([0])) - 1)


def test_a_deterministic_neuron_is_off_at_a_logit_of_zero():
    logits = torch.tensor([[[-1e-30, 0.0, -0.0, 1e-30]]])
    assert DBN().fire(logits, SILENT).flatten().tolist() == [0, 0, 0, 1]


def test_a_stochastic_neuron_fires_with_its_probability():
    neuron, logits = SBN(slope=2.0), LOGITS.expand(DRAWS, 1, 1, 6)
    rate = neuron.fire(logits, Noise([0])).mean((0, 1, 2)).numpy()
    p = stats.logistic.cdf(2 * LOGITS.flatten().numpy())
    assert (np.abs(rate - p) < 4 * np.sqrt(p * (1 - p) / DRAWS)).all()


@pytest.mark.parametrize("signed", [False, True])
def test_samples_of_expanded_logits_are_those_of_copies_and_lie_in_memory_as_their_noise(signed):
    neuron = SBN(signed=signed, slope=2.0)
    logits = torch.randn(3, 5, 4)
    expanded = logits.expand(2, 6, 3, 5, 4)
    bits = neuron.sampled(expanded, Noise([1, 2, 3]))
    assert bits.equal(neuron.sampled(expanded.contiguous(), Noise([1, 2, 3])))
    assert bits.stride() == Noise([1, 2, 3]).uniform(expanded).stride()
    assert len({row.sum().item() for row in bits.flatten(0, 1)}) > 1  # samples differ


def test_a_stochastic_neuron_fires_if_the_uniform_is_below_its_probability():
    p = torch.sigmoid(LOGITS)
    assert SBN().fire(LOGITS, GivenNoise(p)).sum() == 0
    assert SBN().fire(LOGITS, GivenNoise(p - 1e-12)).prod() == 1


def test_probabilities_of_zero_and_one_are_certain_in_float32():
    logits = torch.tensor([[[-200.0, 200.0]]])
    assert SBN().probability(logits).flatten().tolist() == [0.0, 1.0]
    for uniform in (0.0, 1 - 2**-24):
        assert SBN().fire(logits, GivenNoise(uniform)).flatten().tolist() == [0, 1]


def test_mean_field_is_the_mean_of_the_samples():
    neuron = SBN(signed=True, slope=0.7)
    expected = np.tanh(0.35 * LOGITS.numpy())
    np.testing.assert_allclose(neuron.mean_field(LOGITS, SILENT), expected, rtol=1e-12, atol=1e-15)


# Differentiable neurons


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
