"""Under each law of noise, exact is exact, and what is unbiased stays so."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from all_estimators import PAIRINGS, UNBIASED, UNBIASED_CLASSES, build_of
from enumerable import ENUMERABLE, TWO_UNITS, experienced
from enumeration import UNITS
from noise_laws import OTHERS, REFERENCE
from quadrature import all_draws, estimates, exact, mean, wavy
from torch import Tensor

from bnrun.conformance.findings import agreement
from bnrun.conformance.measurement import SIDES, measure
from bnrun.conformance.problems import problems
from bnrun.conformance.target import SLOPES
from bnrun.core.fields import validated
from bnrun.core.laws import LAWS
from bnrun.core.neurons import SBN, LawNeuron
from bnrun.core.noise import Noise
from bnrun.estimators.exact import Exact, patterns
from bnrun.estimators.rebar import REBAR
from bnrun.estimators.relax import RELAX

# All but one, which refuses noise that is not logistic.
FOLLOWING = [pair for pair in PAIRINGS if pair[0] != "reinmax_rao"]
# Slopes at which UNITS, and the logits of the quadrature, are within the support.
NEURONS = [
    SBN(noise="normal"),
    SBN(noise="normal", signed=True, slope=0.6),
    SBN(noise="uniform", slope=0.3),
    SBN(noise="uniform", signed=True, slope=0.2),
    SBN(noise="uniform", slope=0.6),  # One of the logits, -1.3, is outside of the support.
]


# Exact


@pytest.mark.parametrize("slope", [0.3, 0.55])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", LAWS)
def test_exact_is_the_finite_difference_of_the_mean_loss_under_the_law(name, signed, slope):
    neuron, loss = SBN(noise=name, signed=signed, slope=slope), partial(wavy, weights=UNITS + 1)
    bits = patterns(3, UNITS)

    def mean_loss(logits: np.ndarray) -> float:
        p = REFERENCE[name].cdf(slope * logits)
        chances = np.where(bits.numpy() > 0, p, 1 - p).prod(-1)
        return float(chances @ loss(neuron.encode(bits)).numpy())

    logits = UNITS.view(1, 1, -1).clone().requires_grad_()
    value = Exact(neuron=neuron)(logits, loss, Noise([0]))
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.item() == pytest.approx(mean_loss(UNITS.numpy()), abs=1e-12)
    for unit, step in product(range(3), [1e-5]):
        shift = step * np.eye(3)[unit]
        ends = [mean_loss(UNITS.numpy() + sign * shift) for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / (2 * step)
        assert gradient[0, 0, unit].item() == pytest.approx(difference, abs=1e-8)


# Unbiased


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("case", [case for case in ENUMERABLE if "rebar" not in case])
def test_mean_over_all_draws_is_exact(case, neuron):
    build, layout, nodes = ENUMERABLE[case]
    logits = torch.cat([TWO_UNITS, TWO_UNITS[:1] + 0.5])
    estimator = experienced(build(neuron), wavy, logits)
    result = mean(*all_draws(estimator, wavy, layout, nodes, logits))
    for side, ours, truth in zip(
        result._fields, result, exact(estimator, wavy, logits), strict=True
    ):
        assert torch.allclose(ours, truth, rtol=1e-9, atol=1e-9), side


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("build", [REBAR, partial(RELAX, hidden=8, lr=0.1)], ids=["rebar", "relax"])
def test_mean_of_relaxed_control_variates_over_all_draws_is_exact(build, neuron, coupled):
    # Independent noise for z~ doubles the number of axes to integrate over.
    logits = TWO_UNITS if coupled else TWO_UNITS[:1]
    estimator = experienced(build(neuron, coupled=coupled), wavy, logits)
    layout = "one" if coupled else "fresh"
    result = mean(*all_draws(estimator, wavy, layout, 60, logits))
    # Quantiles of the normal law are unbounded, so that quadrature converges slowly.
    error = 1e-4 if neuron.noise == "normal" else 1e-9
    for ours, truth in zip(result, exact(estimator, wavy, logits), strict=True):
        assert torch.allclose(ours, truth, rtol=error, atol=error)


@pytest.mark.parametrize("noise", OTHERS)
@pytest.mark.parametrize("name", UNBIASED)
def test_every_unbiased_estimator_agrees_with_enumeration_in_two_layers(name, noise):
    (problem,) = (p for p in problems() if p.name == "2 layers, quadratic")
    neuron = SBN(noise=noise, slope=SLOPES[noise])
    measured = measure(build_of(name), problem, neuron, precision=0.01)
    for side in SIDES:
        compared = agreement(measured, side)
        assert compared.holds, (side, compared)


@validated
class LogisticScore(SBN):
    """Fires by its law, with the score and the derivative of the logistic law: wrong."""

    def score_slope(self, logits: Tensor) -> float:
        return self.slope

    def derivative(self, logits: Tensor) -> Tensor:
        p = self.probability(logits.detach())
        return self.slope * p * (1 - p)


@pytest.mark.parametrize("noise", OTHERS)
@pytest.mark.parametrize("name", [name for name in UNBIASED_CLASSES if name != "exact"])
def test_the_score_of_another_law_is_found_biased(name, noise):
    (problem,) = (p for p in problems() if p.name == "1 layer, quadratic")
    neuron = LogisticScore(noise=noise, slope=SLOPES[noise])
    measured = measure(build_of(name), problem, neuron, precision=0.02)
    assert not agreement(measured, "logits").holds


# Every estimator


@pytest.mark.parametrize("noise", OTHERS)
@pytest.mark.parametrize(
    ("name", "neuron"), [pair for pair in FOLLOWING if issubclass(pair[1], LawNeuron)]
)
def test_every_estimator_is_finite_at_extreme_logits_under_every_law(name, neuron, noise):
    for dtype in (torch.float32, torch.float64):
        for value in (3e38, 1e19, 1e4, 40.0, 14.0, 12.9, 9.3, 5.4, 0.5, 1e-45, 0.0):
            for sign in (1, -1):
                logits = torch.full((1, 3, 4), sign * value, dtype=dtype)
                logits[0, 0, :2] = torch.tensor([0.3, -2.0])
                leaf = logits.requires_grad_()
                estimator = build_of(name)(neuron(noise=noise))
                loss = estimator(leaf, lambda bits: (bits.sum(-1) - 0.3) ** 2, Noise([0]))
                loss.sum().backward()
                assert loss.isfinite().all(), (value, sign)
                assert leaf.grad.isfinite().all(), (value, sign)


@pytest.mark.parametrize("noise", OTHERS)
@pytest.mark.parametrize("name", UNBIASED)
def test_certain_units_get_no_gradient_under_every_law(name, noise):
    logits = torch.tensor([1e4, -1e4, 0.1])
    drawn = estimates(build_of(name)(SBN(noise=noise)), wavy, Noise([0]), 50, logits)
    assert drawn.logits[:, :2].abs().max() == 0
