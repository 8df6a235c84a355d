"""The kit finds wrong gradients: a broken copy of each family fails, its correct twin passes.

Each family is written here a second time, with a switch for each fault.
"""

from functools import partial

import pytest
import torch
from all_estimators import UNBIASED_CLASSES, build_of
from broken_control_variates import double_cv, muprop, rebar, rodeo
from broken_samplers import (
    arm,
    arms,
    bitflip,
    disarm,
    leave_one_out,
    local_expectation,
    reinforce,
    ugc,
)

from bnrun.conformance.findings import assess, disagreements
from bnrun.conformance.measurement import measure
from bnrun.conformance.problems import problems
from bnrun.estimators.tools.gradients import with_derivative
from bnrun.estimators.tools.latents import conditional_latent, latent

NETS = [net for net in problems() if net.name in ("1 layer, quadratic", "2 layers, quadratic")]


def found_by_the_kit(build, precision: float) -> list[str]:
    return disagreements([assess(measure(build, net, precision=precision)) for net in NETS])


FAULTS = {
    reinforce: [
        "baseline peeks at its own sample",
        "loss at the mean",
        "score of the wrong bit",
    ],
    leave_one_out: [
        "K for K - 1",
        "sum of the samples for their mean",
    ],
    local_expectation: ["flips leak into the weights", "flip without its direction"],
    arm: ["swapped antithetic sample", "complement for the antithetic sample"],
    disarm: ["swapped antithetic sample", "min for max", "factor 2"],
    arms: ["samples taken for independent"],
    muprop: [
        "expansion leaks into the weights",
        "expanded around the sample",
        "mean of the expansion left out",
    ],
    rebar: [
        "relaxed path leaks into the weights",
        "conditional noise held fixed",
        "correction with its sign swapped",
    ],
    double_cv: ["own derivative for the other's", "mean of the control variate doubled"],
    bitflip: ["loss of the flipped bits", "flip without its direction", "without the weight U"],
    ugc: ["chosen by its own sample", "both added"],
    rodeo: [
        "net sees its own sample",
        "probability of the bit itself",
        "score of the unflipped bits",
    ],
}


@pytest.mark.parametrize("family", FAULTS, ids=lambda family: family.__name__)
def test_correct_twin_passes(family):
    assert found_by_the_kit(partial(family, fault=None), precision=0.0075) == []


@pytest.mark.parametrize(
    ("family", "fault"),
    [(family, fault) for family, faults in FAULTS.items() for fault in faults],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_broken_copy_fails(family, fault):
    assert found_by_the_kit(partial(family, fault=fault), precision=0.02) != []


def straight_through(multiplier):
    def build(neuron, fault):
        def estimator(logits, downstream, noise):
            fixed, u = logits.detach(), noise.uniform(logits)
            bits = (u < neuron.probability(fixed)).to(fixed)
            factor = neuron.span * multiplier(neuron, fixed, bits, u, noise, fault)
            return downstream(with_derivative(neuron.encode(bits), logits, factor))

        return estimator

    return build


def mve(neuron, logits, bits, u, noise, fault):
    tau, p = 2.0, neuron.probability(logits)
    distance = (1 - bits - p).abs() if fault == "distance to the other bit" else (bits - p).abs()
    norm = 1 + tau if fault == "norm of a sure bit" else 1 + 2 * tau * p * (1 - p)
    return p * (1 - p) * (1 + tau * distance) / norm


def reinmax_cv(neuron, logits, bits, u, noise, fault):
    def slope(z):
        return torch.sigmoid(z) * torch.sigmoid(-z)

    p = neuron.probability(logits)
    centre = torch.logit((p + bits) / 2) if fault == "drawn at the midpoint" else logits
    given = conditional_latent(neuron, centre, bits, noise.uniform(logits))
    drawn = noise.uniform(logits) if fault == "noise that does not fire the bit" else u
    return (bits - p).abs() / 2 + slope(given) - slope(latent(neuron, logits, drawn))


EXACT_ON = {mve: "1 layer, multilinear", reinmax_cv: "1 layer, quadratic"}


BIASED_FAULTS = {
    mve: ["distance to the other bit", "norm of a sure bit"],
    reinmax_cv: ["drawn at the midpoint", "noise that does not fire the bit"],
}


@pytest.mark.parametrize(
    ("family", "fault"),
    [(family, fault) for family, faults in BIASED_FAULTS.items() for fault in [None, *faults]],
    ids=lambda part: part if isinstance(part, str | None) else part.__name__,
)
def test_broken_copy_of_a_biased_family_misses_where_its_correct_twin_is_exact(family, fault):
    (net,) = (net for net in problems() if net.name == EXACT_ON[family])
    build = partial(straight_through(family), fault=fault)
    assert assess(measure(build, net, precision=0.004)).sides["logits"].holds == (fault is None)


def scaled(build, factor):
    """The estimator with the gradient of its logits times a factor; its loss is untouched."""

    def build_scaled(neuron):
        estimator = build(neuron)

        def call(logits, downstream, noise):
            return estimator(factor * logits + (1 - factor) * logits.detach(), downstream, noise)

        return call

    return build_scaled


@pytest.mark.parametrize("name", UNBIASED_CLASSES)
@pytest.mark.parametrize(("factor", "precision"), [(-1, 0.02), (0.5, 0.02), (1.05, 0.005)])
def test_wrong_sign_half_and_five_percent_too_much_fail_in_every_family(name, factor, precision):
    # 0.005: an error of 10 standard errors, where chance ends at 5.3.
    build = scaled(build_of(name), factor)
    finding = assess(measure(build, NETS[0], precision=precision))
    sides = {side: seen.holds for side, seen in finding.sides.items()}
    assert sides == {"logits": False, "upstream": False, "downstream": True, "loss": True}
