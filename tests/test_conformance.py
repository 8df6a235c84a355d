"""Every file of configs/estimator does what it claims, on every net of the kit."""

import copy
import math
from functools import cache

import pytest
import torch
from hydra.errors import HydraException

from bnrun.config.paths import CONFIGS
from bnrun.conformance.contract import CHECKS
from bnrun.conformance.findings import (
    Finding,
    assess,
    disagreements,
    exact_on,
    resolution,
    threshold,
)
from bnrun.conformance.measurement import Build, measure
from bnrun.conformance.problems import problems
from bnrun.conformance.target import configured
from bnrun.core.neurons import DBN, SBN, Neuron, Real

NAMES = sorted(path.stem for path in (CONFIGS / "estimator").glob("*.yaml"))
NEURONS: list[type[Neuron]] = [SBN, DBN, Real]
SHALLOW = tuple(problem for problem in problems() if problem.depth == 1)

# Options that change what is computed, besides each file's own values.
VARIANTS = [
    "arms samples=2",
    "arms samples=7",
    "double_cv eta=0.3 decay=1.0",
    "mixture estimator@estimator.first=rloo weight=0.3",
    "rebar coupled=true",
    "rebar eta=0.6 decay=1.0 temperature=1.5",
    "relax coupled=true hidden=8",
    "rloo samples=2",
    "schedule estimator@estimator.first=disarm",
]

# What is learned by a smaller net than the file's: the same code in a third of the time.
SMALLER = {"relax": "relax hidden=8", "reinforce_nvil": "reinforce_nvil baseline.hidden=8"}

# Where theory says that the gradient by the logits has no bias: nets of one layer, with the loss
# in the second place; elsewhere an estimator that does not claim to be unbiased must miss.
EXACT_ON = {
    "sigmoid_st": {"multilinear"},
    "mixture": {"multilinear"},  # of sigmoid_st and disarm
    "reinmax": {"multilinear", "quadratic"},
}
# Estimators whose forward pass is not a sample of the neuron.
SOFT = {"gumbel_sigmoid"}


@cache
def build_of(case: str) -> Build:
    name, *fields = case.split()
    once = cache(configured(name, fields))
    # A copy of what has not been called yet: Hydra takes 20 ms to build one.
    return lambda neuron: copy.deepcopy(once(neuron))


def accepts(name: str, neuron: Neuron) -> bool:
    try:
        build_of(name)(neuron)
    except HydraException as error:
        if "does not support neuron" in str(error):
            return False
        raise
    return True


PAIRINGS = [(name, neuron) for name in NAMES for neuron in NEURONS if accepts(name, neuron())]
SAMPLING = [name for name, neuron in PAIRINGS if neuron is SBN]
CLAIMS = {case: build_of(case)(SBN()).unbiased for case in SAMPLING + VARIANTS}
UNBIASED = [case for case in SAMPLING if CLAIMS[case]]
BIASED = [case for case in SAMPLING if not CLAIMS[case]]


@cache
def findings(case: str, deepest: int = 3, precision: float = 0.0075) -> list[Finding]:
    nets = [net for net in problems() if net.depth <= deepest]
    return [assess(measure(build_of(case), net, precision=precision)) for net in nets]


@pytest.mark.parametrize("case", UNBIASED)
def test_unbiased_estimator_agrees_with_the_exact_gradient(case):
    found = findings(SMALLER.get(case, case))
    assert disagreements(found) == []
    assert resolution(found) <= 0.05


@pytest.mark.parametrize("case", VARIANTS)
def test_unbiased_estimator_agrees_with_the_exact_gradient_with_other_options(case):
    assert CLAIMS[case]
    found = findings(case, deepest=2)
    assert disagreements(found) == []
    assert resolution(found) <= 0.05


@pytest.mark.parametrize("name", BIASED)
def test_biased_estimator_is_exact_only_where_theory_says_so(name):
    found = findings(name, deepest=1, precision=0.02)
    theory = [net.name for net in SHALLOW if net.head.__name__ in EXACT_ON.get(name, set())]
    assert exact_on(found, "logits") == theory
    assert exact_on(found, "upstream") == theory


@pytest.mark.parametrize("name", BIASED)
def test_biased_estimator_is_exact_in_the_loss_and_the_weights_after_one_layer(name):
    found = findings(name, deepest=1, precision=0.02)
    expected = [] if name in SOFT else [net.name for net in SHALLOW]
    assert exact_on(found, "loss") == expected
    assert exact_on(found, "downstream") == expected


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("name", "neuron"), PAIRINGS, ids=lambda part: getattr(part, "__name__", part)
)
def test_estimator_keeps_the_rules_of_a_call(name, neuron, check):
    check(build_of(name), neuron())


@pytest.mark.parametrize("name", [name for name in SAMPLING if (name, DBN) not in PAIRINGS])
def test_estimator_that_samples_refuses_a_dbn_and_says_what_to_use(name):
    with pytest.raises(Exception, match="does not support neuron DBN: choose"):
        build_of(name)(DBN())


def test_kit_reads_every_config():
    assert {name for name, _ in PAIRINGS} == set(NAMES)


def test_units_saturated_in_float32_have_a_probability_of_exactly_0_and_1():
    # What check_extreme_logits relies on.
    p = SBN().probability(torch.tensor([-200.0, 200.0], dtype=torch.float32))
    assert p.tolist() == [0.0, 1.0]


def test_bound_is_4_5_standard_errors_for_one_coordinate_and_as_rare_for_many():
    assert threshold(1) == pytest.approx(4.5)
    # 1,000 tries at once are as likely to fail by chance as one at 4.5.
    assert 1000 * math.erfc(threshold(1000) / 2**0.5) == pytest.approx(math.erfc(4.5 / 2**0.5))
