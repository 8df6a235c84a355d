"""Contestants that share too few seeds are not told apart, and the report says why."""

from pathlib import Path

import pytest
from studies import compared, far, finish

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
