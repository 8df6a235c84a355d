"""MVE: what it contains, its bias and variance in closed form, its schedule; gapped ST."""

import math
from itertools import pairwise

import pytest
import torch
from enumeration import GivenNoise, exact_gradient, gradient, mean_gradient, multilinear
from interface import Interface
from torch import Tensor

from bnrun.core.neurons import DBN, SBN
from bnrun.estimators.base import Progress
from bnrun.estimators.gapped_st import GappedST
from bnrun.estimators.mve import MVE
from bnrun.estimators.reinmax import ReinMax
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.estimators.straight_through import StraightThrough

PROBABILITIES = torch.tensor([1e-6, 0.01, 0.2, 0.37, 0.5, 0.51, 0.8, 0.999]).double()
LOGITS = torch.logit(PROBABILITIES)
TAUS = [0.0, 1e-3, 0.3, 1.0, 7.0, 1e3, 1e6, math.inf]
EXTREME = torch.tensor([-1e4, -200.0, -17.0, 0.0, 17.0, 200.0, 1e4])
NEURONS = [SBN(), SBN(signed=True, slope=1.7)]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", ["mve", "gapped_st"])
class TestInterface(Interface):
    pass


def both_bits(estimator: StraightThrough, logits: Tensor = LOGITS) -> tuple[Tensor, Tensor]:
    """The multipliers of a 0 and of a 1."""
    zeros, ones = torch.zeros_like(logits), torch.ones_like(logits)
    return estimator.multiplier(logits, zeros), estimator.multiplier(logits, ones)


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize(
    ("tau", "other"), [(0.0, SigmoidST), (math.inf, ReinMax)], ids=["sigmoid_st", "reinmax"]
)
def test_mve_contains_sigmoid_st_and_reinmax(tau, other, neuron):
    pairs = zip(both_bits(MVE(neuron, tau=tau)), both_bits(other(neuron)), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tau", [*TAUS, 1e38])
def test_multiplier_is_finite_and_lies_between_the_two(tau, dtype):
    logits = torch.cat([LOGITS, EXTREME]).to(dtype)
    kinds = (MVE(SBN(), tau=tau), SigmoidST(SBN()), ReinMax(SBN()))
    for ours, first, second in zip(*(both_bits(kind, logits) for kind in kinds), strict=True):
        tiny = 1e-6  # 1 - p of a p near 1 has lost digits
        assert (ours >= torch.minimum(first, second) - tiny).all()
        assert (ours <= torch.maximum(first, second) + tiny).all()


@pytest.mark.parametrize("tau", TAUS[:-1])
def test_multiplier_is_the_published_formula(tau):
    p, q = PROBABILITIES, 1 - PROBABILITIES
    for bit, ours in enumerate(both_bits(MVE(SBN(), tau=tau))):
        expected = p * q * (1 + tau * abs(bit - p)) / (1 + 2 * tau * p * q)
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("target", [-1.0, 0.3, 2.0])
def test_bias_on_a_square_is_the_closed_form(tau, target):
    def loss(bits: Tensor) -> Tensor:
        return ((bits - target) ** 2).sum(-1)

    pq = PROBABILITIES * (1 - PROBABILITIES)
    known = pq * (2 * PROBABILITIES - 1) / (1 + 2 * tau * pq)
    bias = mean_gradient(MVE(SBN(), tau=tau), LOGITS, loss) - exact_gradient(SBN(), LOGITS, loss)
    torch.testing.assert_close(bias, known, rtol=0, atol=1e-9)


def moments(estimator: StraightThrough) -> tuple[Tensor, Tensor]:
    """Mean and variance of single estimates on the sum of the bits, by enumeration of each unit."""
    drawn = [
        gradient(
            estimator,
            LOGITS.view(1, 1, -1),
            lambda activations: activations.sum(-1),
            GivenNoise(uniform),
        ).view(-1)
        for uniform in (1 - 1e-12, 0.0)
    ]
    mean = (1 - PROBABILITIES) * drawn[0] + PROBABILITIES * drawn[1]
    square = (1 - PROBABILITIES) * drawn[0] ** 2 + PROBABILITIES * drawn[1] ** 2
    return mean, square - mean**2


@pytest.mark.parametrize("tau", TAUS)
def test_mean_and_variance_follow_from_the_moments_of_the_multiplier(tau):
    p, pq = PROBABILITIES, PROBABILITIES * (1 - PROBABILITIES)
    # E abs(b - p) = 2 pq and E abs(b - p)^2 = pq.
    share = pq if tau == math.inf else pq * (tau * pq / (1 + 2 * tau * pq))
    spread = (1 - 2 * p) ** 2 * pq
    known = spread / 4 if tau == math.inf else share**2 * spread / pq**2
    mean, variance = moments(MVE(SBN(), tau=tau))
    torch.testing.assert_close(mean, pq, rtol=0, atol=1e-9)
    torch.testing.assert_close(variance, known, rtol=0, atol=1e-9)


def test_a_larger_tau_has_less_bias_and_more_variance():
    variances = [moments(MVE(SBN(), tau=tau))[1] for tau in TAUS]
    for less, more in pairwise(variances):
        assert (more >= less - 1e-15).all()
    middle = (PROBABILITIES - 0.5).abs() > 0.05
    assert (variances[-1] > variances[0])[middle].all()


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("tau", TAUS)
def test_mve_is_exact_on_multilinear_losses_at_every_tau(tau, neuron):
    logits = LOGITS[1:4]
    result = mean_gradient(MVE(neuron, tau=tau), logits, multilinear)
    expected = exact_gradient(neuron, logits, multilinear)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-9)


def test_tau_grows_from_1_to_a_million_over_the_epochs():
    epochs = 20
    estimator = MVE(SBN(), growth=10 ** (6 / (epochs - 1)), cap=1e9)
    assert estimator.at(Progress(0, 0)).tau == 1
    assert estimator.at(Progress(1000, epochs - 1)).tau == pytest.approx(1e6)
    assert estimator.at(Progress(10**9, 10**6)).tau == 1e9
    by_step = MVE(SBN(), growth=2, per="step", cap=100)
    assert by_step.at(Progress(5, 0)).scalars() == {"tau": pytest.approx(32)}
    assert MVE(SBN(), tau=math.inf).at(Progress(5, 5)).tau == math.inf
    assert MVE(SBN(), tau=math.inf).scalars() == {}


@pytest.mark.parametrize("fields", [{"tau": 0.0}, {"tau": math.inf}, {"tau": 5.0, "cap": 4.0}])
def test_a_tau_that_cannot_grow_is_refused(fields):
    with pytest.raises(ValueError, match=r"tau=.* cannot grow to cap=.*: choose a tau above 0"):
        MVE(SBN(), growth=2.0, **fields)


@pytest.mark.parametrize("tau", [-1.0, math.nan])
def test_a_tau_below_0_is_refused(tau):
    with pytest.raises(ValueError, match="tau"):
        MVE(SBN(), tau=tau)


# Gapped straight-through.


def published_gap(neuron: SBN, temperature: float, gap: float | str, bit: int) -> Tensor:
    agreeing = (2 * bit - 1) * neuron.slope * LOGITS
    drawn = torch.sigmoid(agreeing)
    # 1 - r would lose digits for r near 0, the logarithm of it for r near 1.
    surprise = torch.where(drawn < 0.5, -torch.log1p(-drawn), -torch.sigmoid(-agreeing).log())
    least = surprise / drawn if gap == "mean" else torch.full_like(drawn, float(gap))
    moved = torch.maximum(agreeing, least) / temperature
    slopes = torch.sigmoid(moved) * torch.sigmoid(-moved) / temperature
    return neuron.span * neuron.slope * slopes


@pytest.mark.parametrize("gap", [0.3, 1.0, "mean"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_gapped_st_is_the_published_formula(neuron, temperature, gap):
    for bit, ours in enumerate(both_bits(GappedST(neuron, temperature=temperature, gap=gap))):
        expected = published_gap(neuron, temperature, gap, bit)
        # Below a logit of -15 the gap "mean" is that of -15, within 3e-7.
        torch.testing.assert_close(ours, expected, rtol=3e-7, atol=1e-12)


@pytest.mark.parametrize("wrong", ["the other bit", "no gap", "the temperature once"])
def test_a_broken_copy_of_gapped_st_has_other_multipliers(wrong):
    right = published_gap(SBN(), 0.5, 1.0, 1)
    broken = {
        "the other bit": published_gap(SBN(), 0.5, 1.0, 0),
        "no gap": both_bits(GappedST(SBN(), temperature=0.5, gap=1e-9))[1],
        "the temperature once": 0.5 * right,
    }[wrong]
    assert (broken - right).abs().max() > 0.05 * right.max()


def test_gap_mean_is_the_mean_of_logit_plus_noise_on_the_side_of_the_bit():
    logits = torch.tensor([-3.0, -1.0, 0.0, 2.0, 5.0]).double()
    points = torch.linspace(0, 80, 800_001).double()
    density = torch.sigmoid(points - logits.unsqueeze(-1)) * torch.sigmoid(
        logits.unsqueeze(-1) - points
    )
    mean = torch.trapezoid(points * density, points) / torch.trapezoid(density, points)
    torch.testing.assert_close(GappedST(SBN(), gap="mean").least(logits), mean, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gap_mean_is_finite_at_extreme_logits(dtype):
    least = GappedST(SBN(), gap="mean").least(EXTREME.to(dtype))
    torch.testing.assert_close(least[:3], torch.ones(3, dtype=dtype), rtol=1e-5, atol=0)
    torch.testing.assert_close(least[5:], EXTREME[5:].to(dtype))


@pytest.mark.parametrize("kind", [MVE, GappedST])
def test_a_deterministic_neuron_is_refused(kind):
    with pytest.raises(ValueError, match="does not support neuron DBN: choose neuron=sbn"):
        kind(DBN())


@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_gap_mean_refuses_other_noise_than_logistic(noise):
    words = r"GappedST with gap=mean is derived for logistic noise: choose neuron\.noise=logistic"
    with pytest.raises(ValueError, match=words):
        GappedST(SBN(noise=noise), gap="mean")


LAWS = ["logistic", "normal", "uniform"]
INSIDE = torch.tensor([-0.4, -0.1, 0.0, 0.25]).double()


@pytest.mark.parametrize("noise", LAWS)
@pytest.mark.parametrize("tau", TAUS)
def test_mve_is_exact_on_multilinear_losses_under_every_noise_law(tau, noise):
    neuron = SBN(noise=noise, slope=0.9, signed=True)
    result = mean_gradient(MVE(neuron, tau=tau), INSIDE[:3], multilinear)
    torch.testing.assert_close(
        result, exact_gradient(neuron, INSIDE[:3], multilinear), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("noise", LAWS)
def test_mve_at_infinity_is_exact_on_squares_under_every_noise_law(noise):
    neuron = SBN(noise=noise)

    def square(bits: Tensor) -> Tensor:
        return (bits.sum(-1) - 0.7) ** 2

    result = mean_gradient(MVE(neuron, tau=math.inf), INSIDE, square)
    torch.testing.assert_close(result, exact_gradient(neuron, INSIDE, square), rtol=0, atol=1e-9)
