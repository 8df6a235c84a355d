"""From runs to verdicts: who competes with whom, and how it is put in words."""

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from studies import compared, far, finish, record

from bnrun.report.compare.contest import Contest
from bnrun.report.compare.overall import clear_pairs, headline_of_all
from bnrun.report.compare.verdict import verdicts
from bnrun.report.files import panels_of
from bnrun.report.render.sensitivity import sensitivity
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


def write_study() -> None:
    for number, estimator in enumerate(("st", "reinmax")):
        place = finish(estimator, far(0.1 * number), estimator)
        rng = np.random.default_rng(number)
        curve = [rng.random(10).tolist() for _ in range(4)]
        record(
            place,
            {
                "accuracy/test/sampled": curve,
                "loss/train": curve[:3],
                "gradients/in_use/total/cosine": curve[:2],
                "gradients/in_use/total/variance": curve[:2],
                "gradients/in_use/evaluations": [[2.0] * 10],
            },
            10,
        )


def test_the_page_needs_no_network_and_holds_every_figure(tmp_path: Path) -> None:
    write_study()
    main(["study"])
    html = Path("study/report.html").read_text()
    assert not re.search(r"https?://", html)
    assert not re.search(r"<(link|img|iframe)|<script[^>]|@import|url\(", html)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    assert captions == [
        "Test accuracy sampled against updates",
        "Test accuracy sampled against wall time",
        "Test accuracy sampled against downstream evaluations",
        "Training loss",
        "Gradient cosine",
        "Gradient variance",
        "Test accuracy sampled against gradient cosine",
    ]
    for picture in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        root = ET.fromstring(picture)
        assert "width" not in root.attrib
    assert "prefers-color-scheme: dark" in html
    assert "<h1>reinmax wins by 0.10000 (test accuracy sampled)</h1>" in html


def test_estimates_without_variance_have_no_variance_figure() -> None:
    place = finish("a", far(0.0))
    record(place, {f"gradients/in_use/total/{x}": [[0.0] * 10] for x in ("variance", "bias")}, 10)
    main(["study"])
    html = Path("study/report.html").read_text()
    assert "Gradient bias</figcaption>" in html
    assert "Gradient variance</figcaption>" not in html


def test_biases_share_a_logarithmic_axis_unless_one_is_zero() -> None:
    for name, bias in (("st", 10.0), ("reinmax", 0.01)):
        record(finish(name, far(0.0), name), {"gradients/in_use/total/bias": [[bias] * 10]}, 10)
    (panel,) = panels_of(compared()[0], [])
    assert (panel.title, panel.log, len(panel.lines)) == ("Gradient bias", True, 2)
    record(finish("exact", far(0.0), "exact"), {"gradients/in_use/total/bias": [[0.0] * 10]}, 10)
    (panel,) = panels_of(compared()[0], [])
    assert (panel.log, len(panel.lines)) == (False, 3)


def test_values_of_a_config_cannot_become_markup() -> None:
    finish("a", far(0.0), "<b>st</b>")
    finish("b", far(0.1), "reinmax")
    main(["study"])
    html = Path("study/report.html").read_text()
    assert "<b>st" not in html
    assert "&lt;b&gt;st" in html


def test_figures_and_a_latex_table_are_written_on_request() -> None:
    write_study()
    assert main(["study", "--figures", "--latex"]) == 0
    names = {path.name for path in Path("study/figures").iterdir()}
    assert {"Test-accuracy-sampled-against-updates.png", "Gradient-cosine.svg"} <= names
    assert len(names) == 21
    table = Path("study/report.tex").read_text()
    assert r"reinmax & \textbf{0.60090 $\pm$ 0.00063} \\" in table
    assert table.count(r"\textbf") == 1
    assert "Test accuracy sampled: mean $\\pm$ half" in table


def test_latex_escapes_special_characters() -> None:
    finish("a", far(0.0), "sigmoid_st", law="50%")
    finish("b", far(0.1), "sigmoid_st", law="a^b")
    main(["study", "--latex"])
    assert r"sigmoid\_st law=50\% &" in Path("study/report.tex").read_text()


def rates(label: str, contest: Contest) -> tuple[list[float], list[float]]:
    (panel,) = sensitivity(contest)
    (line,) = [line for line in panel.lines if line.label == label]
    return line.x.tolist(), line.mean.round(6).tolist()


def test_the_learning_rate_is_shown_with_validation_over_the_seeds_of_the_search() -> None:
    for rate, offset in ((0.1, 0.0), (10.0, 0.1), (1.0, 0.3)):
        finish(f"st{rate}", far(0.9, 3), "st", lr=rate, validation=far(offset, 3))
        finish(f"reinmax{rate}", far(0.9, 3), "reinmax", lr=rate, validation=far(0.2, 3))
    finish("fresh", far(0.0, 3), "st", lr=1.0, validation=far(-0.4, 3), seeds=[3, 4, 5])
    (contest,) = compared()
    assert rates("st", contest) == ([0.1, 1.0, 10.0], [0.501, 0.801, 0.601])
    assert rates("reinmax", contest)[1] == [0.701] * 3
    main(["study"])
    html = Path("study/report.html").read_text()
    assert "Validation accuracy sampled against learning rate</figcaption>" in html
    assert "fewest diverged seeds" in html


def test_competing_learning_rates_are_one_line_without_those_that_diverged() -> None:
    for rate in (0.1, 1.0):
        finish(f"st{rate}", far(rate / 10), "st", lr=rate)
    finish("diverged", [math.nan] * 10, "st", lr=10.0)
    (contest,) = compared()
    assert contest.field.differ == ("optimizer.lr",)
    assert rates("st", contest) == ([0.1, 1.0], [0.5109, 0.6009])


def test_one_learning_rate_has_no_figure() -> None:
    finish("a", far(0.0), "st")
    finish("b", far(0.1), "reinmax")
    assert sensitivity(compared()[0]) == []
