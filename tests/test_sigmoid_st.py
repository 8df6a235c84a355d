"""Sigmoid ST: its bias, where its slope acts, and how the slope grows."""

import numpy as np
import pytest
import torch
from enumeration import UNITS, exact_gradient, mean_gradient, multilinear
from interface import POINTS
from scipy import stats
from torch import Tensor

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.base import Progress
from bnrun.estimators.sigmoid_st import SigmoidST


@pytest.mark.parametrize("target", [-1.0, 0.0, 0.3, 0.5, 2.0])
def test_sigmoid_st_misses_a_square_by_its_known_bias(target):
    estimator = SigmoidST(neuron=SBN())

    def loss(bits: Tensor) -> Tensor:
        return ((bits - target) ** 2).sum(-1)

    p = torch.sigmoid(UNITS)
    bias = mean_gradient(estimator, UNITS, loss) - exact_gradient(SBN(), UNITS, loss)
    torch.testing.assert_close(bias, p * (1 - p) * (2 * p - 1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("forward", [False, True])
def test_forward_switch_decides_the_slope_of_the_firing(forward):
    estimator = SigmoidST(neuron=SBN(slope=0.5), slope=6.0, forward=forward)
    seen = []

    def downstream(activations: Tensor) -> Tensor:
        seen.append(activations)
        return activations.sum(-1)

    logits = POINTS.expand(100, 1, 1, -1)
    estimator(logits, downstream, Noise([1]))
    expected = SBN(slope=3.0 if forward else 0.5).fire(logits, Noise([1]))
    assert torch.equal(seen[0], expected)


@pytest.mark.parametrize("backward", [False, True])
def test_backward_switch_decides_the_slope_of_the_derivative(backward):
    estimator = SigmoidST(neuron=SBN(slope=0.5), slope=6.0, backward=backward)
    slope = 3.0 if backward else 0.5
    expected = slope * stats.logistic.pdf(slope * POINTS.numpy())
    result = estimator.multiplier(POINTS, POINTS)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("evaluation", [False, True])
def test_evaluation_switch_decides_the_slope_of_the_evaluated_neuron(evaluation):
    neuron = SBN(signed=True, slope=0.5)
    estimator = SigmoidST(neuron=neuron, slope=6.0, evaluation=evaluation)
    assert estimator.evaluation_neuron == SBN(signed=True, slope=3.0 if evaluation else 0.5)


def test_sigmoid_st_is_exact_on_multilinear_losses_only_at_one_slope_for_both_passes():
    exact = exact_gradient(SBN(slope=2.0), UNITS, multilinear)
    both = SigmoidST(neuron=SBN(), slope=2.0)
    estimate = mean_gradient(both, UNITS, multilinear, neuron=SBN(slope=2.0))
    torch.testing.assert_close(estimate, exact, rtol=0, atol=1e-9)
    one = SigmoidST(neuron=SBN(), slope=2.0, backward=False)
    estimate = mean_gradient(one, UNITS, multilinear, neuron=SBN(slope=2.0))
    assert (estimate - exact).norm() > 0.05 * exact.norm()


@pytest.mark.parametrize(("per", "passed"), [("epoch", 3), ("step", 40)])
def test_slope_grows_with_each_epoch_or_step(per, passed):
    estimator = SigmoidST(neuron=SBN(), slope=1.5, growth=1.1, per=per, cap=1e6)
    now = estimator.at(Progress(step=40, epoch=3))
    assert now.slope == pytest.approx(1.5 * 1.1**passed, rel=1e-12)
    assert now.scalars() == {"slope": now.slope}
    assert now.evaluation_neuron.slope == now.slope
    assert estimator.at(Progress(0, 0)).slope == pytest.approx(1.5, rel=1e-12)


def test_slope_stops_at_the_cap_however_long_the_training():
    estimator = SigmoidST(neuron=SBN(), growth=1.1, per="step", cap=5.0)
    assert estimator.at(Progress(step=16, epoch=0)).slope < 5.0
    assert estimator.at(Progress(step=17, epoch=0)).slope == 5.0
    assert estimator.at(Progress(step=10**9, epoch=0)).slope == 5.0


def test_slope_without_growth_stays():
    estimator = SigmoidST(neuron=SBN(), slope=2.0)
    assert estimator.at(Progress(step=1000, epoch=10)) is estimator


def test_cap_below_the_slope_is_refused():
    with pytest.raises(ValueError, match=r"cap=2.0 is below slope=3.0.*at least 3.0"):
        SigmoidST(neuron=SBN(), slope=3.0, growth=1.1, cap=2.0)
