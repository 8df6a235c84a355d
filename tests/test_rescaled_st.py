"""rescaled_st: the direction of one multiplier and the norm of another, in each layer."""

import pytest
import torch
from enumeration import GivenNoise, exact_gradient, gradient, load
from interface import LOGITS, WEIGHTS, Interface, square
from torch import Tensor

from bnrun.conformance.measurement import draw
from bnrun.conformance.problems import problems
from bnrun.core.chain import nest
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator
from bnrun.estimators.exact import Exact
from bnrun.estimators.rescaled_st import RescaledST
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.estimators.straight_through import ST

PAIRS = {"identity": (ST, SigmoidST), "derivative": (SigmoidST, ST)}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", ["rescaled_st"])
class TestInterface(Interface):
    pass


def many(dtype: torch.dtype = torch.float64) -> Tensor:
    """Logits of three leading samples, two replicas, two examples and four units."""
    return (torch.linspace(0.5, 2, 6).view(3, 2, 1, 1) * LOGITS).to(dtype)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("direction", PAIRS)
def test_has_the_direction_of_one_and_the_norm_of_the_other_to_the_digit(direction, signed):
    neuron = SBN(signed=signed, slope=1.3)
    along, norm = (
        gradient(kind(neuron=neuron), many(), square, Noise([3, 7])) for kind in PAIRS[direction]
    )
    rescaled = RescaledST(neuron=neuron, direction=direction)
    estimate = gradient(rescaled, many(), square, Noise([3, 7]))
    length = along.flatten(2).norm(dim=-1), norm.flatten(2).norm(dim=-1)
    factor = (length[1] / length[0]).unsqueeze(-1).unsqueeze(-1)
    torch.testing.assert_close(estimate, factor * along, rtol=1e-12, atol=0)
    assert (factor - 1).abs().min() > 0.2


@pytest.mark.parametrize("noise", ["logistic", "normal"])
def test_on_a_linear_loss_its_norm_is_that_of_the_enumerated_gradient(noise):
    neuron = SBN(noise=noise)
    logits = LOGITS.double()

    def linear(activations: Tensor) -> Tensor:
        return activations @ WEIGHTS.double()

    exact = torch.stack([exact_gradient(neuron, row, linear) for row in logits])
    estimate = gradient(RescaledST(neuron=neuron), logits.unsqueeze(0), linear, Noise([0]))
    torch.testing.assert_close(estimate.norm(), exact.norm(), rtol=1e-12, atol=0)
    assert estimate.norm() < 0.3 * WEIGHTS.double().norm() * 2**0.5


def test_each_of_two_layers_has_the_norm_that_the_derivative_behind_it_gives():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(1, 4, 4, generator=generator).double() for _ in range(2))
    inputs = torch.randn(1, 3, 4, generator=generator).double()
    neuron, layers = SBN(), []

    def stage(weight: Tensor):
        def logits(x: Tensor) -> Tensor:
            layers.append(x @ weight)
            layers[-1].retain_grad()
            return layers[-1]

        return logits

    rescaled = RescaledST(neuron=neuron)
    half = GivenNoise(0.4, 0.6)
    stages = [stage(first.requires_grad_()), stage(second)]
    nest(stages, [rescaled] * 2, lambda fired: square(fired[-1].activations), half)(
        inputs
    ).sum().backward()
    bits = (layers[1] > torch.logit(torch.tensor(0.6).double())).double()
    at_bits = 2 * (bits @ WEIGHTS.double() - 0.7).unsqueeze(-1) * WEIGHTS.double()
    arriving = {1: at_bits, 0: layers[1].grad @ second.mT}
    for layer, derivative in arriving.items():
        expected = (derivative * neuron.derivative(layers[layer])).norm()
        torch.testing.assert_close(layers[layer].grad.norm(), expected, rtol=1e-12, atol=0)
        cosine = torch.cosine_similarity(layers[layer].grad.flatten(), derivative.flatten(), dim=0)
        torch.testing.assert_close(cosine, torch.ones((), dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("net", problems(), ids=lambda net: net.name)
def test_its_norm_is_near_the_enumerated_one_where_that_of_st_is_many_times_longer(net):
    noise = Noise(range(net.replicas), "norm")

    def norms(kind: type[Estimator], draws: int) -> Tensor:
        estimators = [kind(neuron=SBN(signed=net.signed)) for _ in range(net.depth)]
        drawn = draw(net, estimators, noise, draws)["logits"].mean(0)
        return drawn.unflatten(0, (net.replicas, -1)).norm(dim=-1)

    exact = norms(Exact, 2)
    # .92 to 1.23 with one layer, .52 to 1.31 with two or three; st: 2.3 to 5.8, 11 to 210.
    rescaled, plain = norms(RescaledST, 4000) / exact, norms(ST, 4000) / exact
    assert rescaled.min() > (0.85 if net.depth == 1 else 0.45)
    assert rescaled.max() < (1.3 if net.depth == 1 else 1.4)
    assert plain.min() > (2 if net.depth == 1 else 8)


def test_a_gradient_of_zero_stays_zero_and_a_tiny_one_keeps_its_norm():
    rescaled, logits = RescaledST(neuron=SBN()), many(torch.float32)

    def scaled(factor: float) -> Tensor:
        return gradient(rescaled, logits, lambda b: factor * square(b), Noise([3, 7]))

    assert torch.equal(scaled(0.0), torch.zeros_like(logits))
    torch.testing.assert_close(scaled(2.0**-90) * 2.0**90, scaled(1.0), rtol=1e-5, atol=1e-7)


def test_directions_are_named():
    with pytest.raises(ValueError, match="direction"):
        RescaledST(neuron=SBN(), direction="st")
    assert load("rescaled_st") == RescaledST(neuron=SBN())
