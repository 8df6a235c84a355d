"""Who competes with whom, at which learning rate, over which seeds."""

import math

import pytest
from studies import compared, far, finish

from bnrun.report.compare.verdict import verdicts
from bnrun.report_cli import main

pytestmark = pytest.mark.usefixtures("here")


def test_estimators_compete_if_everything_else_is_equal() -> None:
    for neuron in ("dbn", "sbn"):
        for estimator in ("st", "reinmax"):
            finish(f"{neuron}{estimator}", far(0.0), estimator, neuron)
    assert [(c.setting, len(c.contestants), len(c.pairs)) for c in compared()] == [
        ("neuron=dbn", 2, 1),
        ("neuron=sbn", 2, 1),
    ]


def test_settings_of_an_estimator_make_contestants() -> None:
    finish("a", far(0.1), "sigmoid_st", slope=1.0)
    finish("b", far(0.2), "sigmoid_st", slope=2.0)
    finish("c", far(0.0), "st")
    (contest,) = compared()
    labels = [c.label for c in contest.contestants]
    assert labels == ["sigmoid_st slope=2.0", "sigmoid_st slope=1.0", "st"]


def test_with_one_estimator_the_first_other_difference_competes() -> None:
    finish("a", far(0.1), neuron="dbn")
    finish("b", far(0.2), neuron="sbn")
    assert [c.label for c in compared()[0].contestants] == ["sbn", "dbn"]


def test_each_estimator_uses_the_learning_rate_that_is_best_on_validation() -> None:
    # The larger rate is better on test, which must not count.
    finish("a", far(0.1), "st", lr=0.1, validation=far(0.3))
    finish("b", far(0.4), "st", lr=1.0, validation=far(0.2))
    finish("c", far(0.2), "reinmax", lr=0.1, validation=far(0.1))
    finish("d", far(0.3), "reinmax", lr=1.0, validation=far(0.2))
    (contest,) = compared()
    assert [(c.label, c.tuned) for c in contest.contestants] == [
        ("reinmax", "optimizer.lr=1.0"),
        ("st", "optimizer.lr=0.1"),
    ]


def test_seeds_used_for_the_choice_do_not_count_if_there_are_fresh_ones() -> None:
    finish("a", far(0.1, 3), "st", lr=0.1, validation=far(0.3, 3))
    finish("b", far(0.1, 3), "st", lr=1.0, validation=far(0.2, 3))
    # Worse than in the search, which must not change the choice afterwards.
    finish("c", far(0.0, 2), "st", lr=0.1, validation=far(0.1, 2), seeds=[3, 4])
    finish("d", far(0.2, 5), "reinmax", lr=0.1, validation=far(0.2, 5))
    finish("e", far(0.2, 3), "reinmax", lr=1.0, validation=far(0.1, 3))
    (contest,) = compared()
    chosen = {c.label: (c.tuned, sorted(c.values)) for c in contest.contestants}
    assert chosen == {"st": ("optimizer.lr=0.1", [3, 4]), "reinmax": ("optimizer.lr=0.1", [3, 4])}
    assert contest.contestants[1].values == dict(zip([3, 4], far(0.0, 2), strict=True))


def test_a_learning_rate_at_which_a_seed_diverged_is_not_chosen() -> None:
    finish("a", far(0.1), "st", lr=0.1)
    finish("b", far(0.4), "st", lr=1.0, diverged={3: 7})
    finish("c", far(0.4), "reinmax", lr=0.1)
    finish("d", far(0.1), "reinmax", lr=1.0)
    assert {c.label: c.tuned for c in compared()[0].contestants} == {
        "st": "optimizer.lr=0.1",
        "reinmax": "optimizer.lr=0.1",
    }


def test_seeds_of_several_runs_are_joined_and_shared_ones_are_paired() -> None:
    finish("a", [0.1, 0.2], "st", seeds=[0, 1])
    finish("b", [0.3, 0.4], "st", seeds=[1, 2])
    finish("c", [0.6, 0.7, 0.9], "reinmax", seeds=[1, 2, 3])
    (contest,) = compared()
    (pair,) = contest.pairs
    # Seed 1 is taken from the first run that has it.
    assert contest.contestants[1].values == {0: 0.1, 1: 0.2, 2: 0.4}
    assert (pair.difference.number, pair.difference.mean) == (2, pytest.approx((0.4 + 0.3) / 2))


def test_a_diverged_seed_has_no_score_even_if_one_was_recorded() -> None:
    finish("a", far(0.1), "st", diverged={3: 7})
    finish("b", far(0.0), "reinmax")
    (contest,) = compared()
    assert contest.contestants[0].diverged == 1
    assert contest.pairs[0].difference.diverged == 1
    assert "Seeds that diverged: st 1 of 10." in verdicts([contest])[0].detail


def test_a_contestant_without_a_finite_score_comes_last() -> None:
    finish("a", [math.nan] * 10, "st")
    finish("b", far(0.0), "reinmax")
    (contest,) = compared()
    assert [c.label for c in contest.contestants] == ["reinmax", "st"]
    assert verdicts([contest])[0].kind == "few"


def test_a_score_that_no_run_has_is_refused_and_the_available_ones_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish("a", far(0.0))
    assert main(["study", "--score", "test/elbo/sampled"]) == 1
    error = capsys.readouterr().err
    assert "--score test/elbo/sampled: no run has it, use one of test/accuracy/" in error
    with pytest.raises(SystemExit):
        main(["study", "--score", "elbo"])
    assert "elbo: give split/score/way" in capsys.readouterr().err


def test_dbn_and_sbn_each_have_their_own_way_in_contests_of_their_own() -> None:
    for neuron in ("dbn", "sbn"):
        for estimator in ("st", "reinmax"):
            finish(f"{neuron}{estimator}", far(0.0), estimator, neuron)
    assert {c.setting: c.yardstick.way for c in compared()} == {
        "neuron=dbn": "thresholded",
        "neuron=sbn": "sampled",
    }


def test_settings_with_the_same_last_name_keep_contestants_apart() -> None:
    for number, slopes in enumerate(({"first": {"slope": 1}}, {"second": {"slope": 1}})):
        finish(f"{number}", far(0.0), "mixture", **slopes)
    (contest,) = compared()
    assert {c.label for c in contest.contestants} == {
        "mixture estimator.first.slope=1",
        "mixture estimator.second.slope=1",
    }
