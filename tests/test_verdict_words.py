"""What a verdict says in words."""

import pytest
from studies import compared, far, finish

from bnrun.report.compare.overall import clear_pairs, headline_of_all
from bnrun.report.compare.verdict import verdicts

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("scores", "kind", "headline"),
    [
        ({"a": far(0.2), "b": far(0.0), "c": far(0.1)}, "win", "a wins"),
        ({"a": far(0.2), "b": far(0.0), "c": [*far(0.2)[:5], *far(0.199)[5:]]}, "lead", "a leads"),
        ({"a": far(0.0), "b": far(0.0)}, "noise", "no clear winner, the differences may be noise"),
        ({"a": far(0.2, 5), "b": far(0.0, 5)}, "few", "a is ahead, but there are too few seeds"),
        ({"a": far(0.2)}, "alone", "a alone"),
    ],
)
def test_the_verdict_is_put_in_words(
    scores: dict[str, list[float]], kind: str, headline: str
) -> None:
    for estimator, values in scores.items():
        finish(estimator, values, estimator)
    (verdict,) = verdicts(compared())
    assert verdict.kind == kind
    assert verdict.headline.startswith(headline)


def test_too_few_seeds_are_reported_with_the_number_to_use() -> None:
    for estimator, offset in (("a", 0.2), ("b", 0.0)):
        finish(estimator, far(offset, 5), estimator)
    (verdict,) = verdicts(compared())
    assert "With 5 shared seeds, no difference" in verdict.detail
    assert "use 6 seeds or more" in verdict.detail


def test_verdicts_of_several_settings_are_counted() -> None:
    for neuron, offset in (("dbn", 0.1), ("sbn", 0.0)):
        finish(f"{neuron}a", far(offset), "a", neuron)
        finish(f"{neuron}b", far(0.0), "b", neuron)
    assert (
        headline_of_all(verdicts(compared()))
        == "a comes first: ahead in 1 of 2 settings, behind in none "
        "(test accuracy thresholded and test accuracy sampled)"
    )
    assert clear_pairs(compared()) == ["a beats b in 1 of 2 settings, by 0.1"]


def test_the_first_is_named_with_the_settings_in_which_it_is_behind() -> None:
    for neuron, a, b in (("x", 0.2, 0.0), ("y", 0.1, 0.0), ("z", 0.0, 0.4)):
        finish(f"{neuron}a", far(a), "a", neuron)
        finish(f"{neuron}b", far(b), "b", neuron)
    assert (
        headline_of_all(verdicts(compared()))
        == "a comes first: ahead in 2 of 3 settings, behind in 1 (test accuracy sampled)"
    )
    assert clear_pairs(compared()) == [
        "a beats b in 2 of 3 settings, by 0.1 to 0.2",
        "b beats a in 1 of 3 settings, by 0.4",
    ]


def test_equal_records_have_no_single_winner() -> None:
    for neuron, a, b in (("x", 0.2, 0.0), ("y", 0.0, 0.1)):
        finish(f"{neuron}a", far(a), "a", neuron)
        finish(f"{neuron}b", far(b), "b", neuron)
    assert (
        headline_of_all(verdicts(compared()))
        == "No single winner over 2 settings: a and b are level (test accuracy sampled)"
    )


@pytest.mark.parametrize(
    ("seeds", "reason"), [(10, "No clear winner"), (5, "Too few seeds to tell")]
)
def test_the_reason_is_given_if_nothing_is_clear(seeds: int, reason: str) -> None:
    for neuron in ("x", "y"):
        for estimator in ("a", "b"):
            finish(f"{neuron}{estimator}", far(0.0, seeds), estimator, neuron)
    headline = headline_of_all(verdicts(compared()))
    assert headline == f"{reason} in any of 2 settings (test accuracy sampled)"
    assert clear_pairs(compared()) == []
