"""ReinMax: exact on quadratics, and its published forms."""

import math

import pytest
import torch
from enumeration import UNITS, exact_gradient, mean_gradient, quadratic
from interface import POINTS
from torch import Tensor

from bnrun.core.neurons import DBN, SBN
from bnrun.estimators.reinmax import ReinMax


@pytest.mark.parametrize("slope", [1.0, 2.0])
@pytest.mark.parametrize("signed", [False, True])
def test_reinmax_is_exact_on_quadratics(signed, slope):
    neuron = SBN(signed=signed, slope=slope)
    torch.testing.assert_close(
        mean_gradient(ReinMax(neuron=neuron), UNITS, quadratic),
        exact_gradient(neuron, UNITS, quadratic),
        rtol=0,
        atol=1e-9,
    )


def test_reinmax_misses_a_cube_by_the_trapezoid_rule():
    def cube(bits: Tensor) -> Tensor:
        return (bits**3).sum(-1)

    p = torch.sigmoid(UNITS)
    bias = mean_gradient(ReinMax(neuron=SBN()), UNITS, cube) - exact_gradient(SBN(), UNITS, cube)
    torch.testing.assert_close(bias, p * (1 - p) / 2, rtol=0, atol=1e-9)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_reinmax_with_temperature_is_the_published_combination(temperature):
    estimator = ReinMax(neuron=SBN(slope=2.0), temperature=temperature)
    p, q = torch.sigmoid(2 * POINTS), torch.sigmoid(2 * POINTS / temperature)
    for bits in (torch.zeros_like(p), torch.ones_like(p)):
        middle = (bits + q) / 2
        expected = 2 * (2 * middle * (1 - middle) - p * (1 - p) / 2)
        torch.testing.assert_close(
            estimator.multiplier(POINTS, bits), expected, rtol=1e-12, atol=1e-14
        )


@pytest.mark.parametrize("bit", [0.0, 1.0])
def test_reinmax_is_darns_score_function_with_a_baseline_linear_around_a_half(bit):
    """The baseline is f(b) + f'(b) (1/2 - b); here f = exp."""
    logits, bits = POINTS.double(), torch.full_like(POINTS, bit).double()
    f = derivative = bits.exp()
    score = bits - torch.sigmoid(logits)
    expected = (f - (f + derivative * (0.5 - bits))) * score
    result = derivative * ReinMax(neuron=SBN()).multiplier(logits, bits)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-14)


def test_reinmax_keeps_the_digits_of_a_saturated_unit():
    logits, ones = torch.tensor([30.0]), torch.ones(1)
    expected = math.exp(-30) / 2
    assert ReinMax(neuron=SBN()).multiplier(logits, ones).item() == pytest.approx(expected, 1e-5)


def test_reinmax_refuses_a_deterministic_neuron():
    with pytest.raises(ValueError, match="ReinMax does not support neuron DBN: choose neuron=sb"):
        ReinMax(neuron=DBN())
