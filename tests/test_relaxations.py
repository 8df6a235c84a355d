"""Gumbel-sigmoid, ST-Gumbel and Gumbel-Rao: interface, forward pass, annealing, refusals."""

import pytest
import torch
from enumeration import GRID, GivenNoise, load
from interface import EXTREME, LOGITS, Interface
from scipy import stats
from torch import Tensor

from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.estimators.base import Progress
from bnrun.estimators.gumbel import GumbelRao, GumbelSigmoid, Relaxation, STGumbel

NAMES = ["gumbel_sigmoid", "st_gumbel", "gumbel_rao"]
HARD = ["st_gumbel", "gumbel_rao"]
CLASSES: list[type[Relaxation]] = [GumbelSigmoid, STGumbel, GumbelRao]


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
