"""Every estimator in configs/estimator does what it claims, on every net of the kit."""

import dataclasses
import math
from functools import cache

import pytest
import torch
from all_estimators import (
    BIASED,
    NAMES,
    PAIRINGS,
    REFUSED,
    SAMPLING,
    UNBIASED,
    build_of,
)
from docstrings import passages

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
from bnrun.conformance.measurement import measure
from bnrun.conformance.problems import problems
from bnrun.conformance.target import SLOPES
from bnrun.core.laws import NoiseLaw
from bnrun.core.neurons import SBN, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator
from bnrun.estimators.tools.baselines import Baseline

SHALLOW = tuple(problem for problem in problems() if problem.depth == 1)
HEADS = {net.head.__name__ for net in SHALLOW}

# Options that change the computation, in addition to the defaults.
VARIANTS = [
    "arms samples=2",
    "arms samples=7",
    "double_cv eta=0.3 decay=1.0",
    "mixture estimator@estimator.first=rloo weight=0.3",
    "rebar coupled=true",
    "rebar eta=0.6 decay=1.0 temperature=1.5",
    "relax coupled=true hidden=8",
    "rloo samples=2",
    "rodeo samples=3 hidden=4 lr=0.1",
    "schedule estimator@estimator.first=disarm",
    "ugc decay=1.0",
]

# Estimators with a smaller net than the default: the same code in a third of the time.
SMALLER = {
    "rodeo": "rodeo hidden=8",
    "relax": "relax hidden=8",
    "reinforce_nvil": "reinforce_nvil baseline.hidden=8",
}

# Biased estimators that train with another loss than its mean over the neuron's bits, which they
# are unbiased for: see the tests of their own.
OTHER_LOSSES = {"node_perturbation", "vimco"}

# Losses on which an estimator is exact for an SBN, by how the passage "Exact" of its docstring
# begins.
EXACT_ON = {
    "under {noise} noise, on losses multilinear in the bits": {"multilinear"},
    "on losses multilinear in the bits": {"multilinear"},
    "on losses quadratic in each bit": {"multilinear", "quadratic"},
}

# Estimators under other laws of noise, at the slope that makes the law of the estimator theirs.
OTHER_LAWS = [
    ("gaussian_st", "normal"),
    ("sigmoid_st", "normal"),
    ("reinmax", "normal"),
    ("clipped_st slope=2", "uniform"),
    ("gaussian_st", "uniform"),
    ("reinmax", "uniform"),
    ("mve", "normal"),
    ("mve", "uniform"),
    ("reinmax_cv", "normal"),
]


def exact_heads(estimator: Estimator, noise: NoiseLaw) -> set[str]:
    """Heads of one-layer nets on which the estimator is exact according to its docstring."""
    if estimator.unbiased:
        return HEADS
    parts = [part for part in values(estimator) if isinstance(part, Estimator)]
    if parts:
        return set.intersection(*(exact_heads(part, noise) for part in parts))
    claim = passages(type(estimator))["Exact"]
    exact = [
        heads for start, heads in EXACT_ON.items() if claim.startswith(start.format(noise=noise))
    ]
    return exact[0] if exact else set()


def values(part: object) -> list[object]:
    return [getattr(part, field.name) for field in dataclasses.fields(part)]


def fires_bits(estimator: Estimator) -> bool:
    """Whether the activations in training are bits, as in evaluation."""
    seen = []

    def downstream(activations):
        seen.append(activations.detach())
        return activations.sum(-1)

    estimator(torch.zeros(1, 8, 3, requires_grad=True), downstream, Noise([0]))
    return set(seen[0].unique().tolist()) <= {0.0, 1.0}


@cache
def findings(
    case: str, deepest: int = 3, precision: float = 0.0075, noise: NoiseLaw = "logistic"
) -> list[Finding]:
    nets = [net for net in problems() if net.depth <= deepest]
    neuron = SBN(noise=noise, slope=SLOPES[noise])
    return [assess(measure(build_of(case), net, neuron, precision)) for net in nets]


@pytest.mark.parametrize("case", UNBIASED)
def test_unbiased_estimator_agrees_with_the_exact_gradient(case):
    measured = findings(SMALLER.get(case, case))
    assert disagreements(measured) == []
    assert resolution(measured) <= 0.05


@pytest.mark.parametrize("case", VARIANTS)
def test_unbiased_estimator_agrees_with_the_exact_gradient_with_other_options(case):
    assert build_of(case)(SBN()).unbiased
    measured = findings(case, deepest=2)
    assert disagreements(measured) == []
    assert resolution(measured) <= 0.05


@pytest.mark.parametrize(("case", "noise"), [(name, "logistic") for name in BIASED] + OTHER_LAWS)
def test_biased_estimator_is_exact_only_where_its_docstring_says_so(case, noise):
    measured = findings(case, deepest=1, precision=0.02, noise=noise)
    heads = exact_heads(build_of(case)(SBN(noise=noise)), noise)
    expected = [net.name for net in SHALLOW if net.head.__name__ in heads]
    assert exact_on(measured, "logits") == expected
    assert exact_on(measured, "upstream") == expected


@pytest.mark.parametrize("name", sorted({*BIASED} - {*OTHER_LOSSES}))
def test_biased_estimator_is_exact_in_the_loss_and_the_weights_after_one_layer(name):
    measured = findings(name, deepest=1, precision=0.02)
    # Not if soft bits replace the neuron's.
    expected = [net.name for net in SHALLOW] if fires_bits(build_of(name)(SBN())) else []
    assert exact_on(measured, "loss") == expected
    assert exact_on(measured, "downstream") == expected


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("name", "neuron"), PAIRINGS, ids=lambda part: getattr(part, "__name__", part)
)
def test_estimator_keeps_the_rules_of_a_call(name, neuron, check):
    check(build_of(name), neuron())


@pytest.mark.parametrize(
    ("name", "neuron"), REFUSED, ids=lambda part: getattr(part, "__name__", part)
)
def test_unsupported_neuron_is_refused_with_what_to_use_instead(name, neuron):
    message = f"does not support neuron {neuron.__name__}: choose neuron="
    with pytest.raises(Exception, match=message):
        build_of(name)(neuron())


def with_defaults(part: Estimator | Baseline) -> Estimator | Baseline:
    """The same class with its default values, and so for its parts."""
    given = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if isinstance(value, Neuron):
            given[field.name] = value
        elif isinstance(value, Estimator | Baseline):
            given[field.name] = with_defaults(value)
    return type(part)(**given)


@pytest.mark.parametrize("name", NAMES)
def test_config_selects_itself_and_has_the_defaults_of_its_class(name):
    text = (CONFIGS / "estimator" / f"{name}.yaml").read_text()
    assert text.startswith(f"# estimator={name}: ")
    neuron = next(neuron for accepted, neuron in PAIRINGS if accepted == name)
    estimator = build_of(name)(neuron())
    assert estimator == with_defaults(estimator)
    for field in dataclasses.fields(estimator):
        shown = not field.name.startswith("_")
        if shown and not isinstance(getattr(estimator, field.name), Estimator):
            assert f"\n{field.name}:" in text


def test_kit_reads_every_config():
    assert {name for name, _ in PAIRINGS} == set(NAMES)
    assert set(UNBIASED) | set(BIASED) == set(SAMPLING)


def test_units_saturated_in_float32_have_a_probability_of_exactly_0_and_1():
    # check_extreme_logits relies on it.
    p = SBN().probability(torch.tensor([-200.0, 200.0], dtype=torch.float32))
    assert p.tolist() == [0.0, 1.0]


def test_threshold_is_4_5_standard_errors_for_one_coordinate_and_as_rarely_exceeded_for_many():
    assert threshold(1) == pytest.approx(4.5)
    # 1,000 coordinates are as likely to fail by chance as one at 4.5.
    assert 1000 * math.erfc(threshold(1000) / 2**0.5) == pytest.approx(math.erfc(4.5 / 2**0.5))
