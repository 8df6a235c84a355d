"""The straight-through family: interface, forward pass, gradient."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from enumeration import UNITS, exact_gradient, gradient, load, mean_gradient, multilinear
from interface import EXTREME, LOGITS, POINTS, Interface
from scipy import integrate, stats
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.neurons import SBN, Real
from bnrun.core.noise import Noise
from bnrun.estimators.straight_through import ST, StraightThrough

# For signed activations, at the default slope and for logit a and bit b, as published.
SIGNED = {
    "sigmoid_st": lambda a, b: 2 * stats.logistic.pdf(a),
    "clipped_st": lambda a, b: np.abs(a) <= 1,
    "approx_sign": lambda a, b: np.maximum(0, 2 - 2 * np.abs(a)),
    "swish_sign": lambda a, b: 5 * (2 - 5 * a * np.tanh(2.5 * a)) / (1 + np.cosh(5 * a)),
    "arctan_st": lambda a, b: 2 / (1 + (math.pi * a) ** 2),
    "fast_sigmoid_st": lambda a, b: 2 / (1 + 2 * np.abs(a)) ** 2,
    "gaussian_st": lambda a, b: 2 * stats.norm.pdf(a),
    "reinmax": lambda a, b: np.abs(b - stats.logistic.cdf(a)),
}
# The same for both codings.
UNSCALED = {"st": lambda a, b: np.ones_like(a), "gated_st": lambda a, b: b}
NAMES = [*SIGNED, *UNSCALED]
LAWS = ["clipped_st", "approx_sign", "swish_sign", "arctan_st", "fast_sigmoid_st", "gaussian_st"]


def triangular(x: Tensor) -> Tensor:
    inside = x.clamp(-1, 1)
    return 0.5 + inside - 0.5 * inside * inside.abs()


# Distribution function of each principled noise law, at slope 1.
DISTRIBUTION: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid_st": torch.sigmoid,
    "clipped_st": lambda x: ((1 + x) / 2).clamp(0, 1),
    "approx_sign": triangular,
    "arctan_st": lambda x: 0.5 + torch.atan(math.pi / 2 * x) / math.pi,
    "fast_sigmoid_st": lambda x: (1 + x / (1 + x.abs())) / 2,
    "gaussian_st": torch.special.ndtr,
}


@validated
class LawNeuron(SBN):
    """Fires where logit + noise > 0, for noise with the given distribution function."""

    distribution: Callable[[Tensor], Tensor] = torch.sigmoid

    def probability(self, logits: Tensor) -> Tensor:
        return self.distribution(self.slope * logits)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", NAMES)
class TestInterface(Interface):
    pass


def family(
    name: str, neuron: str = "sbn", signed: bool = False, **fields: object
) -> StraightThrough:
    estimator = load(name, neuron, signed, **fields)
    assert isinstance(estimator, StraightThrough)
    return estimator


# Forward


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_activations_are_exact_bits_of_the_neuron(name, signed, dtype):
    seen = []

    def downstream(activations: Tensor) -> Tensor:
        seen.append(activations.detach())
        return activations.sum(-1)

    logits = torch.cat([LOGITS, EXTREME]).to(dtype).expand(50, 1, 4, 4)
    for neuron in ("sbn", "dbn"):
        if (name, neuron) == ("reinmax", "dbn"):
            continue
        estimator = family(name, neuron, signed)
        loss = estimator(logits.requires_grad_(), downstream, Noise([5]))
        expected = estimator.neuron.encode(estimator.neuron.fire(logits, Noise([5])))
        assert torch.equal(seen[-1], expected)
        assert set(seen[-1].unique().tolist()) == ({-1.0, 1.0} if signed else {0.0, 1.0})
        assert torch.equal(loss.detach(), expected.sum(-1))


# Gradient


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_multiplier_is_the_published_formula(name, signed):
    estimator = family(name, signed=signed)
    points = POINTS.expand(20, 1, 1, -1)
    bits = estimator.neuron.fire(points, Noise([0]))
    estimate = gradient(estimator, points, lambda activations: activations.sum(-1), Noise([0]))
    formula = (UNSCALED | SIGNED)[name](points.numpy(), bits.numpy())
    factor = 0.5 if name in SIGNED and not signed else 1.0
    np.testing.assert_allclose(estimate.numpy(), factor * formula, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", LAWS)
def test_slopes_of_estimator_and_neuron_rescale_the_logit(name):
    slope, neuron_slope = 3.0, 0.7
    scaled = type(family(name))(neuron=SBN(slope=neuron_slope), slope=slope)
    standard = type(family(name))(neuron=SBN(), slope=1.0)
    product = slope * neuron_slope
    torch.testing.assert_close(
        scaled.multiplier(POINTS, POINTS),
        product * standard.multiplier(product * POINTS, POINTS),
        rtol=1e-12,
        atol=0,
    )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", [*LAWS, "sigmoid_st"])
def test_multiplier_integrates_to_the_span(name, signed):
    estimator = family(name, signed=signed)

    def multiplier(logit: float) -> float:
        point = torch.tensor(logit, dtype=torch.float64)
        return estimator.multiplier(point, point).item()

    ends = [-math.inf, -1, 0, 1, math.inf]
    pieces = [
        integrate.quad(multiplier, left, right, epsabs=1e-9)[0] for left, right in pairwise(ends)
    ]
    assert sum(pieces) == pytest.approx(2.0 if signed else 1.0, abs=1e-7)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", DISTRIBUTION)
def test_is_exact_on_multilinear_losses_under_its_own_noise_law(name, signed):
    default = family(name)
    neuron = LawNeuron(signed=signed, slope=1.3, distribution=DISTRIBUTION[name])
    estimator = type(default)(neuron=neuron, slope=0.5)
    forward = LawNeuron(signed=signed, slope=0.65, distribution=DISTRIBUTION[name])
    estimate = mean_gradient(estimator, UNITS, multilinear, neuron=forward)
    exact = exact_gradient(forward, UNITS, multilinear)
    torch.testing.assert_close(estimate, exact, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("sigmoid_st", "reinmax")])
def test_misses_on_multilinear_losses_under_logistic_noise(name):
    estimator = family(name)
    estimate = mean_gradient(estimator, UNITS, multilinear)
    exact = exact_gradient(estimator.neuron, UNITS, multilinear)
    assert (estimate - exact).norm() > 0.05 * exact.norm()


def test_gated_st_is_exact_under_one_sided_exponential_noise():
    logits = torch.tensor([-0.3, -0.8, -2.0]).double()
    estimator = load("gated_st").__class__(neuron=LawNeuron(distribution=torch.exp))
    torch.testing.assert_close(
        mean_gradient(estimator, logits, multilinear),
        exact_gradient(estimator.neuron, logits, multilinear),
        rtol=0,
        atol=1e-9,
    )


def test_gradient_of_plain_st_ignores_the_probability():
    estimate = mean_gradient(ST(neuron=SBN()), UNITS, lambda bits: 3 * bits.sum(-1))
    torch.testing.assert_close(estimate, torch.full_like(UNITS, 3.0), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_real_neuron_is_refused_with_what_to_do(name):
    estimator = type(family(name))
    with pytest.raises(ValueError, match=rf"{estimator.__name__} does not support.*Real: choose"):
        estimator(neuron=Real())


@pytest.mark.parametrize("name", [*LAWS, "sigmoid_st"])
@pytest.mark.parametrize("slope", [0.0, -1.0, math.inf, math.nan])
def test_a_slope_out_of_range_is_refused(name, slope):
    with pytest.raises(ValueError, match="slope"):
        type(family(name))(neuron=SBN(), slope=slope)
