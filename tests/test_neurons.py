"""Neurons: their activations in each way of evaluating, and the bits of the binary ones."""

import math

import numpy as np
import pytest
import torch
from enumeration import CONFIGS, GivenNoise
from firing import BINARY, DRAWS, LOGITS, SILENT
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy import stats

from bnrun.core.bengio_neurons import STS, NoisyRectifier, NoisySigmoid, Rectifier
from bnrun.core.neurons import DBN, SBN, BinaryNeuron, Real
from bnrun.core.noise import Noise

NEURONS = {
    "dbn": DBN,
    "sbn": SBN,
    "real": Real,
    "noisy_rectifier": NoisyRectifier,
    "noisy_sigmoid": NoisySigmoid,
    "rectifier": Rectifier,
    "sts": STS,
}


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
    fired = neuron.fire(expanded, Noise([1, 2, 3]))
    assert neuron.encode(fired).equal(bits)
    assert fired.stride() == bits.stride()
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
