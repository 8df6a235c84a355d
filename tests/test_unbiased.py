"""Unbiased estimators: mean over all draws, variance, and extreme logits."""

import pytest
import torch
from all_estimators import UNBIASED, build_of
from enumerable import ENUMERABLE, TWO_UNITS, Build, experienced
from quadrature import Replay, all_draws, estimates, exact, mean, total_variance, wavy
from torch import Tensor

from bnrun.conformance.findings import agreement
from bnrun.conformance.measurement import Side, measure
from bnrun.conformance.problems import problems
from bnrun.core.neurons import SBN, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.antithetic import ARM, DisARM
from bnrun.estimators.arms import ARMS, dirichlet_copula
from bnrun.estimators.local_expectation import LocalExpectation
from bnrun.estimators.reinforce import Reinforce
from bnrun.estimators.relax import RELAX
from bnrun.estimators.rloo import RLOO
from bnrun.estimators.sigmoid_st import SigmoidST

PLAIN = SBN()
NEURONS = [PLAIN, SBN(signed=True), SBN(slope=1.2), SBN(signed=True, slope=0.6)]


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("case", ENUMERABLE)
def test_mean_over_all_draws_is_exact(case: str, neuron: Neuron) -> None:
    build, layout, nodes = ENUMERABLE[case]
    # Independent noise for z~ doubles the number of axes to integrate over.
    logits = TWO_UNITS if layout == "fresh" else torch.cat([TWO_UNITS, TWO_UNITS[:1] + 0.5])
    estimator = experienced(build(neuron), wavy, logits)
    assert estimator.unbiased
    result = mean(*all_draws(estimator, wavy, layout, nodes, logits))
    expected = exact(estimator, wavy, logits)
    for side, ours, truth in zip(result._fields, result, expected, strict=True):
        assert torch.allclose(ours, truth, rtol=1e-9, atol=1e-9), side


def test_mean_of_relax_over_all_draws_is_exact_with_a_trained_net() -> None:
    estimator = RELAX(PLAIN, coupled=True, hidden=8, lr=0.1)
    trained = experienced(estimator, wavy, TWO_UNITS)
    assert trained.state_dict()["weight2"].abs().max() > 0.05
    result = mean(*all_draws(trained, wavy, "one", 60, TWO_UNITS))
    # The net sees the unbounded z, so that quadrature converges more slowly.
    for ours, truth in zip(result, exact(trained, wavy, TWO_UNITS), strict=True):
        assert torch.allclose(ours, truth, rtol=1e-5, atol=1e-5)


def test_control_variate_of_a_trained_net_has_mean_zero_with_independent_noise() -> None:
    one = TWO_UNITS[:1]
    estimator = experienced(RELAX(PLAIN, hidden=8, lr=0.1), wavy, one)
    result = mean(*all_draws(estimator, wavy, "fresh", 100, one))
    assert torch.allclose(result.logits, exact(estimator, wavy, one).logits, rtol=1e-5, atol=1e-5)


def z_score(draws: Tensor, truth: Tensor) -> float:
    return float(((draws.mean(0) - truth) / draws.std(0) * len(draws) ** 0.5).abs().max())


@pytest.mark.parametrize("neuron", NEURONS[:3:2], ids=str)
@pytest.mark.parametrize("build", [ARMS, RLOO], ids=["arms", "rloo"])
@pytest.mark.parametrize("samples", [3, 5])
def test_many_sample_estimators_agree_with_the_exact_gradient(
    build: type[ARMS | RLOO], samples: int, neuron: Neuron
) -> None:
    logits = torch.tensor([0.4, -1.3, 2.5], dtype=torch.float64)
    estimator = build(neuron, samples=samples)
    drawn = estimates(estimator, wavy, Noise([1]), 100_000, logits)
    for side, ours, truth in zip(drawn._fields, drawn, exact(estimator, wavy, logits), strict=True):
        assert z_score(ours, truth) < 4.5, side
    truth = exact(estimator, wavy, logits).logits
    scale = drawn.logits @ truth / truth.square().sum()
    assert scale.std() / len(scale) ** 0.5 < 0.0075, "too few draws to see an error of 5 %"


NESTS: dict[str, tuple[Build, Build]] = {
    f"{outer} over {inner}": (build_of(outer), build_of(inner))
    for outer, inner in [
        ("reinforce_optimal", "double_cv"),
        ("local_expectation", "reinforce_moving_average"),
        ("disarm", "rebar"),
        ("arms", "muprop"),
        ("muprop", "disarm"),
        ("rebar", "reinforce_nvil"),
        ("relax", "rloo"),
        ("double_cv", "arm"),
        ("bitflip", "ugc"),
        ("ugc", "rodeo"),
        ("rodeo", "disarm"),
    ]
}


@pytest.mark.parametrize("problem", [p for p in problems() if p.depth == 2], ids=lambda p: p.name)
@pytest.mark.parametrize("nest", NESTS)
def test_nesting_different_estimators_keeps_the_mean(nest: str, problem) -> None:
    builds = iter(NESTS[nest])
    measured = measure(lambda neuron: next(builds)(neuron), problem, precision=0.0075)
    sides: tuple[Side, ...] = ("logits", "upstream", "downstream", "loss")
    for side in sides:
        compared = agreement(measured, side)
        assert compared.holds, (side, compared)
        assert compared.detectable < 0.06


@pytest.mark.parametrize("outer", ["reinforce_optimal", "disarm", "muprop", "double_cv"])
def test_a_biased_layer_behind_does_not_bias_the_logits_of_this_one(outer: str) -> None:
    (problem,) = (p for p in problems() if p.name == "2 layers, quadratic")
    builds = iter([build_of(outer), SigmoidST])
    measured = measure(lambda neuron: next(builds)(neuron), problem, precision=0.0075)
    assert agreement(measured, "logits").holds
    assert not agreement(measured, "downstream").holds


@pytest.mark.parametrize("seed", range(12))
def test_disarm_variance_never_exceeds_arm(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, generator=generator, dtype=torch.float64)
    arm, disarm = (total_variance(build(PLAIN), wavy, "one", 2, logits) for build in (ARM, DisARM))
    assert disarm < arm


def test_arm_variance_exceeds_reinforce_far_from_one_half() -> None:
    logits = torch.tensor([-4.0], dtype=torch.float64)

    def loss(activations: Tensor, weights: Tensor) -> Tensor:
        return (1 - weights * activations).sum(-1)

    arm, reinforce = (
        total_variance(build(PLAIN), loss, "one", 2, logits) for build in (ARM, Reinforce)
    )
    assert arm > 2 * reinforce


@pytest.mark.parametrize(
    "case",
    [
        "reinforce",
        "reinforce_moving_average",
        "reinforce_optimal",
        "reinforce_nvil",
        "muprop",
        "rebar, coupled",
    ],
)
def test_local_expectation_has_least_variance_with_one_sample_of_the_others(case: str) -> None:
    build, layout, nodes = ENUMERABLE[case]
    estimator = experienced(build(PLAIN), wavy, TWO_UNITS)
    least = total_variance(LocalExpectation(PLAIN), wavy, "one", 1, TWO_UNITS)
    assert least < total_variance(estimator, wavy, layout, nodes, TWO_UNITS)


def test_local_expectation_of_one_unit_is_exact_in_every_draw() -> None:
    logits = TWO_UNITS[:1]
    drawn, _ = all_draws(LocalExpectation(PLAIN), wavy, "one", 1, logits)
    truth = exact(LocalExpectation(PLAIN), wavy, logits).logits
    assert torch.allclose(drawn.logits, truth.expand_as(drawn.logits), rtol=1e-12)


def test_disarm_of_one_unit_at_one_half_has_no_variance_on_a_quadratic() -> None:
    def quadratic(activations: Tensor, weights: Tensor) -> Tensor:
        return (weights * activations - 0.3).square().sum(-1)

    logits = torch.zeros(1, dtype=torch.float64)
    assert total_variance(DisARM(PLAIN), quadratic, "one", 2, logits) < 1e-30
    assert total_variance(ARM(PLAIN), quadratic, "one", 2, logits) > 1e-4


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_arms_with_two_samples_is_disarm(neuron: Neuron) -> None:
    logits = torch.tensor([0.4, -1.3, 2.5], dtype=torch.float64)
    uniforms = Noise([2]).uniform(logits.expand(2, 500, 1, 1, 3))
    paired = dirichlet_copula(uniforms)[0]
    assert torch.allclose(paired + dirichlet_copula(uniforms)[1], torch.ones(()).double())
    # ARMS mirrors the uniform where p >= 1/2.
    mirrored = torch.where(neuron.probability(logits) < 0.5, paired, 1 - paired)
    arms = estimates(ARMS(neuron, samples=2), wavy, Replay(uniforms), 500, logits)
    disarm = estimates(DisARM(neuron), wavy, Replay(mirrored), 500, logits)
    for ours, theirs in zip(arms, disarm, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("samples", [3, 4, 8])
def test_dirichlet_copula_is_uniform_and_has_the_known_joint_probability(samples: int) -> None:
    count = 1_000_000
    noise = Noise([4]).uniform(torch.empty(samples, 1, count, 1, dtype=torch.float64))
    uniforms = dirichlet_copula(noise).view(samples, count)
    for p in (0.05, 0.3, 0.5):
        both = max(2 * p ** (1 / (samples - 1)) - 1, 0) ** (samples - 1)
        single = (uniforms[0] < p).double()
        joint = single * (uniforms[1] < p)
        assert z_score(single.unsqueeze(-1), torch.tensor([p])) < 4.5
        assert abs(joint.mean() - both) <= 4.5 * (both / count) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dirichlet_copula_of_uniforms_that_are_all_zero_shares_alike(dtype: torch.dtype) -> None:
    assert torch.allclose(
        dirichlet_copula(torch.zeros(3, 2, dtype=dtype)), torch.tensor(4 / 9).to(dtype)
    )


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-24])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("neuron", NEURONS[::3], ids=str)
@pytest.mark.parametrize("name", UNBIASED)
def test_saturated_units_get_a_finite_gradient_that_vanishes(
    name: str, neuron: Neuron, dtype: torch.dtype, uniform: float
) -> None:
    logits = torch.tensor([1e4, -1e4, 0.1], dtype=dtype)
    estimator = build_of(name)(neuron)

    for _ in range(3):
        noise = Replay(*[torch.tensor(uniform, dtype=torch.float64)] * 2)
        drawn = estimates(estimator, wavy, noise, 2, logits)
        assert all(part.isfinite().all() for part in drawn)
        # In ARM, each unit gets its uniform times the difference that the other units make.
        assert name == "arm" or drawn.logits[:, :2].abs().max() < 1e-5
    for value in estimator.state_dict().values():
        assert value.isfinite().all()


@pytest.mark.parametrize("build", [RLOO, ARMS])
def test_one_sample_cannot_leave_one_out(build: type[RLOO | ARMS]) -> None:
    with pytest.raises(ValueError, match="samples"):
        build(PLAIN, samples=1)
