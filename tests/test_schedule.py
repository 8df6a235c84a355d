"""Schedules and mixtures, which combine two estimators."""

from dataclasses import replace

import pytest
import torch
from quadrature import all_draws, estimates, exact, mean, wavy

from bnrun import load_estimator
from bnrun.config.compose import EstimatorConfig
from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.estimators.antithetic import DisARM
from bnrun.estimators.base import Estimator, Progress
from bnrun.estimators.double_cv import DoubleCV
from bnrun.estimators.mixture import Mixture
from bnrun.estimators.reinforce import Reinforce
from bnrun.estimators.schedule import Schedule
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.estimators.straight_through import ST
from bnrun.run.build import build_estimator

NEURON = SBN(signed=True)
FIRST, SECOND = ST(NEURON), DisARM(NEURON)


def configured(*overrides: str, neuron: str = "sbn") -> Estimator:
    """The estimator of a command line."""
    return build_estimator(EstimatorConfig([*overrides, f"neuron={neuron}"]).values())


@pytest.mark.parametrize(
    ("per", "progress", "used"),
    [
        ("epoch", Progress(step=0, epoch=0), FIRST),
        ("epoch", Progress(step=999, epoch=2), FIRST),
        ("epoch", Progress(step=1000, epoch=3), SECOND),
        ("epoch", Progress(step=5000, epoch=15), SECOND),
        ("step", Progress(step=2, epoch=0), FIRST),
        ("step", Progress(step=3, epoch=0), SECOND),
    ],
)
def test_the_second_estimator_is_used_from_the_given_point(per, progress, used) -> None:
    schedule = Schedule(NEURON, FIRST, SECOND, after=3, per=per)
    assert schedule.at(progress) is used


def test_a_schedule_is_its_first_estimator_outside_a_training() -> None:
    schedule = Schedule(NEURON, FIRST, SECOND)
    ours, theirs = (estimates(e, wavy, Noise([0]), 10) for e in (schedule, FIRST))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert schedule.evaluation_neuron == NEURON


def test_schedules_inside_a_schedule_count_from_the_start_of_the_training() -> None:
    inner = Schedule(NEURON, SigmoidST(NEURON, growth=2.0), SECOND, after=4)
    schedule = Schedule(NEURON, FIRST, inner, after=2)
    at = [schedule.at(Progress(step=0, epoch=epoch)) for epoch in range(5)]
    assert at[1] == FIRST
    assert [part.scalars()["slope"] for part in at[2:4]] == pytest.approx([4.0, 8.0])
    assert at[4] == SECOND


def test_what_the_estimator_in_use_learns_is_in_the_state_of_the_schedule() -> None:
    schedule = Schedule(NEURON, FIRST, DoubleCV(NEURON), after=1)
    assert schedule.state_dict() == {"first": {}, "second": {}}
    estimates(schedule.at(Progress(step=1, epoch=1)), wavy, Noise([0]), 10)
    assert set(schedule.state_dict()["second"]) == {"product", "square"}


@pytest.mark.parametrize("build", [Schedule, Mixture])
def test_a_combination_is_unbiased_if_both_parts_are(build: type[Schedule | Mixture]) -> None:
    assert build(NEURON, Reinforce(NEURON), SECOND).unbiased
    assert not build(NEURON, FIRST, SECOND).unbiased
    assert not replace(build(NEURON, SECOND, SECOND), second=FIRST).unbiased


@pytest.mark.parametrize("build", [Schedule, Mixture])
def test_parts_with_another_neuron_are_refused(build: type[Schedule | Mixture]) -> None:
    with pytest.raises(ValueError, match=r"estimator\.second\.neuron is SBN\(signed=False"):
        build(NEURON, FIRST, DisARM(SBN()))


def test_a_mixture_weighs_losses_and_all_gradients() -> None:
    mixture = Mixture(NEURON, FIRST, SECOND, weight=0.3)
    ours, noise = estimates(mixture, wavy, Noise([0]), 10), Noise([0])
    parts = [estimates(part, wavy, noise, 10) for part in (FIRST, SECOND)]
    for mixed, first, second in zip(ours, *parts, strict=True):
        assert torch.allclose(mixed, 0.3 * first + 0.7 * second, rtol=1e-9, atol=1e-12)


def test_the_bias_of_a_mixture_shrinks_with_the_weight_of_the_biased_part() -> None:
    truth = exact(FIRST, wavy).logits
    bias = {}
    for weight in (0.2, 1.0):
        mixture = Mixture(NEURON, FIRST, SECOND, weight=weight)
        # Both parts draw U uniforms, one after the other.
        found = mean(*all_draws(mixture, wavy, "two", 1)).logits
        bias[weight] = found - truth
    assert bias[1.0].norm() > 0.1
    assert torch.allclose(bias[0.2], 0.2 * bias[1.0], rtol=1e-9)


def test_a_mixture_advances_both_schedules() -> None:
    mixture = Mixture(NEURON, SigmoidST(NEURON, growth=2.0), SigmoidST(NEURON, growth=3.0))
    later = mixture.at(Progress(step=10, epoch=1))
    assert later.scalars() == {"first/slope": 2.0, "second/slope": pytest.approx(3.0)}
    assert later.evaluation_neuron == later.first.evaluation_neuron


def test_a_mixture_at_a_point_learns_into_the_state_of_the_mixture() -> None:
    mixture = Mixture(NEURON, DoubleCV(NEURON), SECOND)
    estimates(mixture.at(Progress(step=1, epoch=1)), wavy, Noise([0]), 10)
    assert set(mixture.state_dict()["first"]) == {"product", "square"}


def test_the_config_is_st_for_five_epochs_and_then_disarm() -> None:
    schedule = load_estimator("schedule")
    neuron = SBN()
    assert schedule == Schedule(neuron, ST(neuron), DisARM(neuron), after=5, per="epoch")
    mixture = load_estimator("mixture")
    assert mixture == Mixture(neuron, SigmoidST(neuron), DisARM(neuron), weight=0.5)


def test_parts_are_chosen_and_set_on_the_command_line() -> None:
    schedule = configured(
        "estimator=schedule",
        "estimator@estimator.first=sigmoid_st",
        "estimator@estimator.second=mixture",
        "estimator@estimator.second.first=double_cv",
        "estimator.first.growth=1.5",
        "estimator.second.first.eta=0.5",
        "estimator.after=7",
        "neuron.signed=true",
    )
    second = Mixture(NEURON, DoubleCV(NEURON, eta=0.5), DisARM(NEURON))
    assert schedule == Schedule(NEURON, SigmoidST(NEURON, growth=1.5), second, after=7)


def test_a_deterministic_neuron_can_have_a_schedule_of_estimators_that_support_it() -> None:
    schedule = configured(
        "estimator=schedule", "estimator@estimator.second=sigmoid_st", neuron="dbn"
    )
    assert schedule == Schedule(DBN(), ST(DBN()), SigmoidST(DBN()))
    with pytest.raises(Exception, match="DisARM does not support neuron DBN"):
        configured("estimator=schedule", neuron="dbn")


@pytest.mark.parametrize("after", [0, -1])
def test_a_first_part_that_is_never_used_is_refused(after: int) -> None:
    with pytest.raises(ValueError, match="after"):
        Schedule(NEURON, FIRST, SECOND, after=after)


def test_a_weight_outside_the_unit_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="weight"):
        Mixture(NEURON, FIRST, SECOND, weight=1.2)
