"""The exact estimator: its gradient is the derivative of the enumerated loss, at any depth."""

from collections.abc import Sequence
from itertools import pairwise, product

import pytest
import torch
from enumeration import load
from torch import Tensor

from bnrun.core.chain import nest
from bnrun.core.network import Fired
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.exact import Exact, patterns

NETS = [(1,), (6,), (3, 2), (6, 5), (2, 3, 2), (6, 3, 6)]
INPUTS = torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.3, -0.7]]).double()


def parameters(units: tuple[int, ...]) -> list[Tensor]:
    """A weight for each binary layer [in + 1, out], and one for the output, seeded."""
    generator = torch.Generator().manual_seed(0)
    widths = [INPUTS.shape[-1], *units, 1]
    return [
        torch.randn(left + 1, right, generator=generator, dtype=torch.float64)
        for left, right in pairwise(widths)
    ]


def affine(x: Tensor, weight: Tensor) -> Tensor:
    return x @ weight[:-1] + weight[-1]


def loss(outputs: Tensor) -> Tensor:
    return torch.sin(outputs).square() + 0.3 * outputs


def enumerated_loss(weights: list[Tensor], neuron: SBN) -> Tensor:
    """Mean loss from the distribution over patterns, propagated from layer to layer, [B]."""
    mass, states = torch.ones(len(INPUTS), 1).double(), INPUTS.unsqueeze(1)
    for weight in weights[:-1]:
        bits = torch.tensor(list(product([0.0, 1.0], repeat=weight.shape[-1]))).double()
        p = 1 / (1 + torch.exp(-neuron.slope * affine(states, weight))).unsqueeze(-2)
        transition = (bits * p + (1 - bits) * (1 - p)).prod(-1)
        mass = torch.einsum("bi,bij->bj", mass, transition.expand(len(mass), -1, -1))
        states = (2 * bits - 1 if neuron.signed else bits).unsqueeze(0)
    return (mass * loss(affine(states, weights[-1]).squeeze(-1))).sum(-1)


def nested_loss(weights: list[Tensor], neuron: SBN) -> Tensor:
    """The same by nesting, [R, B] with one replica."""
    stages = [lambda x, weight=weight: affine(x, weight) for weight in weights[:-1]]

    def downstream(fired: Sequence[Fired]) -> Tensor:
        return loss(affine(fired[-1].activations, weights[-1]).squeeze(-1))

    estimators = [Exact(neuron=neuron)] * len(stages)
    return nest(stages, estimators, downstream, Noise([0]))(INPUTS.unsqueeze(0))


@pytest.mark.parametrize("neuron", [SBN(), SBN(signed=True, slope=1.7)])
@pytest.mark.parametrize("units", NETS)
def test_nested_loss_is_the_enumerated_mean(units, neuron):
    weights = parameters(units)
    result = nested_loss(weights, neuron)
    assert result.shape == (1, len(INPUTS))
    torch.testing.assert_close(result[0], enumerated_loss(weights, neuron), rtol=0, atol=1e-12)


@pytest.mark.parametrize("neuron", [SBN(), SBN(signed=True, slope=1.7)])
@pytest.mark.parametrize("units", NETS)
def test_nested_gradient_is_the_finite_difference_of_the_enumerated_loss(units, neuron):
    weights = [weight.requires_grad_() for weight in parameters(units)]
    gradients = torch.autograd.grad(nested_loss(weights, neuron).sum(), weights)
    step = 1e-5
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            for index in product(*map(range, weight.shape)):
                value = weight[index].item()
                ends = []
                for shifted in (value + step, value - step):
                    weight[index] = shifted
                    ends.append(enumerated_loss(weights, neuron).sum())
                weight[index] = value
                difference = (ends[0] - ends[1]) / (2 * step)
                assert abs(difference - gradient[index]) < 1e-6


def test_patterns_are_all_patterns_once():
    result = patterns(5, torch.empty(0).double())
    assert result.dtype == torch.float64
    assert {tuple(row) for row in result.tolist()} == set(product([0.0, 1.0], repeat=5))
    assert len(result) == 2**5


def test_a_leading_axis_is_an_independent_evaluation():
    logits = torch.linspace(-2, 2, 2 * 3 * 2 * 4).double().view(2, 3, 2, 4)
    estimator = load("exact")

    def square(bits: Tensor) -> Tensor:
        return (bits.sum(-1) - 0.7) ** 2

    whole = estimator(logits, square, Noise([0, 1, 2]))
    parts = [estimator(part, square, Noise([0, 1, 2])) for part in logits]
    assert torch.equal(whole, torch.stack(parts))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_units_give_finite_gradients(dtype):
    logits = torch.tensor([[[1e4, -1e4, 0.0, 90.0]]], dtype=dtype, requires_grad=True)
    loss = Exact(neuron=SBN())(logits, lambda bits: bits.sum(-1) ** 2, Noise([0]))
    loss.sum().backward()
    # Bits 1 and 4 are on, 2 is off, 3 is a fair coin.
    assert loss.item() == pytest.approx((2**2 + 3**2) / 2)
    assert logits.grad.flatten().tolist() == pytest.approx([0, 0, (3**2 - 2**2) / 4, 0])


def test_a_wide_layer_is_refused_with_what_to_do():
    logits = torch.zeros(1, 1, 5)
    with pytest.raises(
        ValueError,
        match=r"2\^5 patterns of a layer with 5 units, but estimator.max_units=4: make the layer "
        r"smaller, or choose an unbiased estimator that samples, e.g. estimator=disarm",
    ):
        Exact(neuron=SBN(), max_units=4)(logits, lambda bits: bits.sum(-1), Noise([0]))
