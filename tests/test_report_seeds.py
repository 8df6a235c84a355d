"""The report does not compare contestants that share too few seeds, and says why."""

import math
from pathlib import Path

import pytest
from studies import compared, far, finish, record

from bnrun.report.compare.overall import headline_of_all
from bnrun.report.compare.verdict import verdicts
from bnrun.report_cli import main


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_a_shared_seed_no_difference_is_named():
    finish("a", far(0.3), "a")
    finish("b", far(0.2), "b", seeds=range(20, 30))
    finish("c", far(0.1), "c")
    (verdict,) = verdicts(compared())
    assert verdict.words == "a leads, b may be as good"
    assert verdict.detail.startswith(
        "Test accuracy sampled 0.80090 against 0.70090 of b, but there is no seed that both have "
        "and on which neither diverged. To compare them, use 6 or more seeds that both share. "
        "Clearly ahead of c, by 0.20000"
    )


def test_a_nearest_rival_with_few_seeds_needs_more_of_them():
    finish("a", far(0.3), "a")
    finish("b", far(0.2)[:3], "b")
    finish("c", far(0.1), "c")
    (verdict,) = verdicts(compared())
    assert "over 3 shared seeds" in verdict.detail
    assert "To compare them, use 6 or more seeds that both share." in verdict.detail


def test_a_single_shared_seed_is_no_plural():
    finish("a", far(0.3), "a")
    finish("b", far(0.2), "b", seeds=range(9, 19))
    (verdict,) = verdicts(compared())
    assert verdict.kind == "few"
    assert "over 1 shared seed, p = 1. With 1 shared seed, no difference can pass" in verdict.detail


def test_one_setting_is_no_plural():
    finish("a", far(0.3), "a", neuron="sbn")
    finish("b", far(0.1), "b", neuron="sbn")
    finish("c", far(0.1), "c", neuron="dbn")
    assert "a comes first: ahead in 1 of 1 setting, behind in none" in headline_of_all(
        verdicts(compared())
    )


def test_seeds_do_not_compete(capsys):
    finish("a", far(0.3), "a")
    finish("b", far(0.2), "a", seeds=range(20, 30))
    assert main(["study", "--by", "seeds"]) == 1
    assert "seeds cannot compete: pairs are compared on the seeds" in capsys.readouterr().err


@pytest.mark.parametrize("others", [True, False])
def test_a_run_whose_seeds_all_diverged_at_once_has_no_curve(others):
    nothing = [math.nan, math.nan]
    curves = {"accuracy/test/sampled": [nothing, nothing], "loss/train": [nothing]}
    record(finish("a", nothing, "a", diverged={0: 0, 1: 0}), curves, 2)
    if others:
        record(finish("b", far(0.1)[:2], "b"), {"loss/train": [[0.5, 0.6], [0.4, 0.5]]}, 2)
    assert main(["study", "--figures"]) == 0
    page = Path("study/report.html").read_text()
    assert page.count('aria-label="Training loss"') == others
    assert ("No history was recorded." in page) == (not others)
    assert Path("study/figures/Training-loss.svg").exists() == others


def test_the_caption_of_a_single_seed_speaks_of_no_interval():
    finish("a", [0.5], "a")
    finish("b", [0.6], "b")
    assert main(["study", "--latex"]) == 0
    assert r"\caption{Test accuracy sampled: one seed." in Path("study/report.tex").read_text()
