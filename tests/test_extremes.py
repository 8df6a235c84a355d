"""No finite logit, however large or small, makes a bounded loss or its gradient NaN."""

import pytest
import torch
from all_estimators import NAMES, PAIRINGS, build_of

from bnrun.core.bengio_neurons import STS, NoisyRectifier, NoisySigmoid, Rectifier
from bnrun.core.neurons import DBN, SBN, Real
from bnrun.core.noise import Noise

LARGEST = {torch.float32: 3e38, torch.float64: 1.7e308}
SMALLEST = {torch.float32: 1e-45, torch.float64: 5e-324}
WAYS = ("thresholded", "sampled", "mean_field")


def extremes(dtype):
    large = [LARGEST[dtype], 1e38, 1e19, 1e4, 746.0, 104.0, 89.0, 20.0]
    signed = [sign * value for value in [*large, SMALLEST[dtype]] for sign in (1, -1)]
    return [*signed, 0.0, -0.0]


def logits_of(value, dtype):
    """Logits [1, 3, 4] that are extreme, but for two."""
    logits = torch.full((1, 3, 4), value, dtype=dtype)
    logits[0, 0, :2] = torch.tensor([0.3, -2.0])
    return logits.requires_grad_()


def loss_of(activations):
    weights = torch.linspace(-1, 1, 4, dtype=activations.dtype)
    return ((activations * weights).sum(-1) - 0.3) ** 2


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize(("name", "neuron"), PAIRINGS)
def test_every_estimator_is_finite_at_extreme_logits(name, neuron, dtype):
    for value in extremes(dtype):
        for signed in (False, True):
            logits = logits_of(value, dtype)
            loss = build_of(name)(neuron(signed=signed))(logits, loss_of, Noise([0]))
            loss.sum().backward()
            assert loss.isfinite().all(), value
            assert logits.grad.isfinite().all(), value


SLOPED = [name for name in NAMES if "slope" in vars(build_of(name)(dict(PAIRINGS)[name]()))]


@pytest.mark.parametrize("slope", ["1e18", "1e-18"])
@pytest.mark.parametrize("name", SLOPED)
def test_every_slope_is_finite_at_extreme_logits(name, slope):
    for value in extremes(torch.float32):
        logits = logits_of(value, torch.float32)
        build_of(f"{name} slope={slope}")(SBN())(logits, loss_of, Noise([0])).sum().backward()
        assert logits.grad.isfinite().all(), value


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("neuron", [SBN, DBN, Real, NoisyRectifier, Rectifier, NoisySigmoid, STS])
def test_every_neuron_is_finite_at_extreme_logits_in_every_way(neuron, dtype):
    for value in extremes(dtype):
        for way in WAYS:
            logits = logits_of(value, dtype)
            activations = getattr(neuron(), way)(logits, Noise([0]))
            assert activations.isfinite().all(), (value, way)
            if activations.requires_grad:
                activations.sum().backward()
                assert logits.grad.isfinite().all(), (value, way)
        assert neuron().probability(logits_of(value, dtype)).isfinite().all(), value


def test_swish_sign_passes_nothing_on_where_its_derivative_ends():
    for value in (3e38, -3e38, 1e38, 200.0):
        logits = logits_of(value, torch.float32)
        build_of("swish_sign")(SBN())(logits, loss_of, Noise([0])).sum().backward()
        assert (logits.grad[0, 1:] == 0).all()


def test_the_mean_of_a_noisy_rectifier_ends_in_the_rectifier():
    mean = torch.tensor([[[41.0, -41.0, 3e38, -3e38, 39.0, -39.0]]], dtype=torch.float64)
    logits = mean.requires_grad_()
    value = NoisyRectifier().mean_field(logits, Noise([0]))
    assert value.flatten().tolist() == [41.0, 0.0, 3e38, 0.0, 39.0, pytest.approx(0, abs=1e-300)]
    value.sum().backward()
    assert logits.grad.flatten().tolist() == [1, 0, 1, 0, 1, pytest.approx(0, abs=1e-300)]
