"""ReinMax with terms of Gumbel-Rao: multipliers by quadrature, and a control variate of mean 0."""

import numpy as np
import pytest
import torch
from enumeration import GRID, GivenNoise, exact_gradient, gradient
from interface import EXTREME, Interface
from scipy import integrate, stats
from torch import Tensor

from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.estimators.reinmax import ReinMax
from bnrun.estimators.reinmax_gumbel import ReinMaxCV, ReinMaxRao
from bnrun.estimators.tools.gradients import with_derivative
from bnrun.estimators.tools.latents import conditional_latent

# Midpoints of equal intervals: the mean over them is the mean over a uniform.


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", ["reinmax_rao", "reinmax_cv"])
class TestInterface(Interface):
    pass


def total(activations: Tensor) -> Tensor:
    return activations.sum(-1)


def multiplier_given(bit: int, estimator, logit: float) -> float:
    """Mean multiplier of one unit over the noise given its bit."""
    logits = torch.full_like(GRID, logit)
    p = estimator.neuron.probability(logits)
    # The uniform that fires; its share within the region of the bit is the grid.
    fires = GRID * p if bit else p + GRID * (1 - p)
    # A permutation, so that both uniforms are independent.
    order = torch.randperm(len(GRID), generator=torch.Generator().manual_seed(0))
    return gradient(estimator, logits, total, GivenNoise(fires, GRID[order])).mean().item()


def rao_multiplier(bit: int, p: float, temperature: float, wrong: str = "") -> float:
    """Mean multiplier of ReinMax-Rao for one unit, over the noise given its bit."""
    centre = p if wrong == "noise at the logit" else (p + bit) / 2
    law = stats.logistic(loc=np.log(centre / (1 - centre)))
    both = wrong == "any noise"
    ends = (-50, 50) if both else (0, 50) if bit else (-50, 0)

    def slope(z: float) -> float:
        return stats.logistic.pdf(z / temperature) / temperature * law.pdf(z)

    mean = integrate.quad(slope, *ends, points=[0])[0]
    mean /= 1 if both else centre if bit else 1 - centre
    return (1 if wrong == "factor 1" else 2) * mean - p * (1 - p) / 2


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("logit", [-2.0, 0.0, 0.7])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.3])
def test_mean_multiplier_of_rao_is_an_integral_over_the_truncated_law(bit, logit, temperature):
    neuron = SBN(signed=True, slope=1.7)
    estimator = ReinMaxRao(neuron, draws=1, temperature=temperature)
    expected = 2 * 1.7 * rao_multiplier(bit, stats.logistic.cdf(1.7 * logit), temperature)
    found = multiplier_given(bit, estimator, logit)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("wrong", ["noise at the logit", "any noise", "factor 1"])
def test_a_broken_copy_of_rao_has_another_mean(wrong):
    p = stats.logistic.cdf(0.7)
    right, broken = rao_multiplier(1, p, 1.0), rao_multiplier(1, p, 1.0, wrong)
    assert abs(broken - right) > 0.05 * right


class RaoCopy:
    """ReinMaxRao at temperature 1, written a second time, with a switch for each fault."""

    def __init__(self, neuron: SBN, fault: str | None) -> None:
        self.neuron, self.fault = neuron, fault

    def __call__(self, logits, downstream, noise):
        neuron, fixed = self.neuron, logits.detach()
        p = neuron.probability(fixed)
        bits = (noise.uniform(logits) < p).to(fixed)
        centre = torch.logit((p + bits) / 2) / neuron.slope
        centre = fixed if self.fault == "noise at the logit" else centre
        given = 1 - bits if self.fault == "noise given the other bit" else bits
        s = torch.sigmoid(conditional_latent(neuron, centre, given, noise.uniform(logits)))
        weight = 1 if self.fault == "derivative once" else 2
        share = 1 if self.fault == "whole p (1 - p) subtracted" else 0.5
        multiplier = neuron.slope * (weight * s * (1 - s) - share * p * (1 - p))
        return downstream(with_derivative(bits, logits, multiplier))


@pytest.mark.parametrize(
    "fault",
    [
        *(None, "noise at the logit", "noise given the other bit"),
        *("derivative once", "whole p (1 - p) subtracted"),
    ],
)
@pytest.mark.parametrize("bit", [0, 1])
def test_a_broken_copy_of_rao_misses_the_integral_and_its_correct_twin_does_not(bit, fault):
    expected = 1.7 * rao_multiplier(bit, stats.logistic.cdf(1.7 * 0.4), 1.0)
    error = multiplier_given(bit, RaoCopy(SBN(slope=1.7), fault), 0.4) / expected - 1
    assert abs(error) < 1e-4 if fault is None else abs(error) > 0.05


@pytest.mark.parametrize(("temperature", "share"), [(0.5, 0.69), (1.0, 0.59)])
def test_mean_multiplier_of_rao_is_less_than_reinmaxs(temperature, share):
    rao = multiplier_given(1, ReinMaxRao(SBN(), draws=1, temperature=temperature), 0.0)
    assert rao == pytest.approx(share * 0.25, rel=0.01)


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("logit", [-2.0, 0.0, 0.7])
@pytest.mark.parametrize("temperature", [0.7, 1.3])
def test_control_variate_has_mean_zero_for_each_bit(bit, logit, temperature):
    neuron = SBN(slope=1.7)
    with_control = ReinMaxCV(neuron, draws=1, temperature=temperature, eta=5.0)
    expected = multiplier_given(bit, ReinMax(neuron), logit)
    assert multiplier_given(bit, with_control, logit) == pytest.approx(expected, rel=1e-4)


def test_a_control_variate_at_other_noise_has_no_mean_of_zero():
    """The check above finds it if one term is drawn at the midpoint (p + b) / 2."""
    law = stats.logistic(loc=0.7)
    p = law.sf(0)
    moved = stats.logistic(loc=np.log((1 + p) / (1 - p)))
    means = [
        integrate.quad(lambda z, law=law: stats.logistic.pdf(z) * law.pdf(z), 0, 50)[0] / law.sf(0)
        for law in (law, moved)
    ]
    assert abs(means[0] - means[1]) > 0.1 * means[0]


@pytest.mark.parametrize("kind", [ReinMaxCV, ReinMax])
def test_control_variate_does_not_change_the_mean_on_a_square_or_a_cube(kind):
    neuron, logits = SBN(), torch.full((200_000, 1, 1, 1), 0.7).double()
    estimator = ReinMaxCV(neuron, draws=4) if kind is ReinMaxCV else ReinMax(neuron)
    one = torch.tensor([0.7]).double()
    for power, bias in ((2, 0.0), (3, 1.0)):

        def loss(bits: Tensor, power: int = power) -> Tensor:
            return (bits**power).sum(-1)

        drawn = gradient(estimator, logits, loss, Noise([0])).view(-1)
        p = neuron.probability(one)
        expected = exact_gradient(neuron, one, loss) + bias * p * (1 - p) / 2
        error = drawn.std() / len(drawn) ** 0.5
        assert error < 0.0025 * expected.item()
        assert abs(drawn.mean() - expected) < 4.5 * error


def test_cv_with_eta_zero_is_reinmax():
    logits = torch.linspace(-3, 3, 300).double().view(100, 1, 1, 3)
    ours, theirs = (
        gradient(estimator, logits, total, Noise([0]))
        for estimator in (ReinMaxCV(SBN(slope=1.3), eta=0), ReinMax(SBN(slope=1.3)))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", [ReinMaxRao, ReinMaxCV])
def test_more_draws_have_less_variance(kind):
    logits = torch.full((20_000, 1, 1, 1), 0.7).double()
    few, many = (
        gradient(kind(SBN(), draws=draws), logits, total, Noise([0])).var() for draws in (1, 32)
    )
    assert many < 0.8 * few


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [ReinMaxRao, ReinMaxCV])
def test_saturated_units_get_no_gradient(kind, dtype):
    logits = torch.cat([EXTREME.flatten(), torch.tensor([-200.0, 200.0])]).to(dtype).view(1, 1, -1)
    estimate = gradient(kind(SBN()), logits, total, Noise([0])).view(-1)
    assert (estimate[logits.view(-1).abs() > 80].abs() < 1e-6).all()


@pytest.mark.parametrize("kind", [ReinMaxRao, ReinMaxCV])
def test_other_neurons_are_refused(kind):
    with pytest.raises(ValueError, match="does not support neuron DBN: choose neuron=sbn"):
        kind(DBN())


def test_rao_refuses_other_noise_than_logistic():
    with pytest.raises(ValueError, match=r"derived for logistic noise: choose neuron\.noise=log"):
        ReinMaxRao(SBN(noise="normal"))


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_control_variate_has_mean_zero_for_each_bit_under_every_noise_law(bit, noise):
    neuron, logit = SBN(noise=noise, slope=0.8), 0.3
    expected = multiplier_given(bit, ReinMax(neuron), logit)
    found = multiplier_given(bit, ReinMaxCV(neuron, draws=1, eta=5.0), logit)
    assert found == pytest.approx(expected, rel=1e-4)
