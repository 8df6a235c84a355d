"""Who is ahead is decided by the shared seeds; one that diverged counts nowhere."""

import csv
import math
from pathlib import Path

import pytest
from studies import compared, far, finish

from bnrun.report.compare.field import fields
from bnrun.report.compare.verdict import verdicts
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate
from bnrun.report_cli import main

pytestmark = pytest.mark.usefixtures("here")


def test_the_one_ahead_over_the_shared_seeds_comes_first_in_a_pair() -> None:
    # Over all its seeds st has the better mean, over those of both reinmax.
    finish("a", far(0.1), "st")
    finish("more", far(0.9), "st", seeds=range(10, 20))
    finish("b", far(0.2), "reinmax")
    (contest,) = compared()
    assert [c.label for c in contest.contestants] == ["st", "reinmax"]
    (pair,) = contest.pairs
    assert (pair.better.label, pair.difference.mean) == ("reinmax", pytest.approx(0.1))
    (verdict,) = verdicts([contest])
    assert verdict.kind == "noise"
    assert "reinmax is ahead by 0.1" in verdict.detail


def test_who_diverged_more_often_is_no_winner_and_it_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish("a", far(0.2), "st", diverged={3: 7, 4: 7, 5: 7})
    finish("b", far(0.0), "reinmax")
    assert main(["study"]) == 0
    out = capsys.readouterr().out
    assert "no winner, because st is ahead but diverged more often" in out
    assert "only over the seeds that did not diverge" in out
    with Path("study/report-pairs.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["verdict"] == "diverged more often"
    assert [row[title] for title in ("low", "high", "p", "p (alone)", "seeds needed")] == [""] * 5


def test_a_seed_that_diverged_counts_in_no_table() -> None:
    finish("a", [0.1] + [0.9] * 9, "st", diverged={0: 7})
    finish("b", far(0.0), "reinmax")
    main(["study"])
    page = Path("study/report.md").read_text()
    assert page.count("0.90000 ± 0.00000") >= 2
    assert "0.82" not in page


def test_a_run_without_a_finite_score_has_no_rank() -> None:
    for name, values in (("a", [math.nan] * 3), ("b", far(0.1, 3)), ("c", far(0.2, 3))):
        finish(name, values, name)
    table = tabulate(find_runs([Path("study")]).runs)
    assert [c.label for c in fields(table)[0].contestants] == ["c", "b", "a"]
