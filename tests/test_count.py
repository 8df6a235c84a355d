"""Messages about one thing do not speak of several."""

from pathlib import Path

import pytest
from studies import finish

from bnrun.config.count import number_of
from bnrun.report.read.runs import FoundRuns, finished
from bnrun.report_cli import main
from bnrun.run.verify import Difference, Verification, _text


def test_a_number_has_its_noun_in_the_singular_or_the_plural():
    assert [number_of(n, "job") for n in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "the run a0 is not finished: run the same command again to resume"),
        (2, r"none of 2 runs is finished \(the first: a0\): run the same command again"),
    ],
)
def test_a_run_that_is_not_finished_is_named(number, text):
    found = FoundRuns(unfinished={Path(f"a{n}"): None for n in range(number)})
    with pytest.raises(ValueError, match=text):
        finished(found)


def test_a_verification_counts_values_and_seeds():
    assert "1 value of 1 seed up to step 7 came" in _text(Verification(7, 1, [], []), 1)
    one = Verification(7, 2, [Difference(3, "loss/train", 0, 0.5, 0.6)], [])
    assert _text(one, 2).startswith("The bits differ: 1 of 2 values of 2 seeds up to step 7.")


def test_a_report_of_single_seeds_has_no_plural(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finish("a", [float("nan")], diverged={0: 3})
    finish("b", [0.9], estimator="arm")
    assert main(["study"]) == 0
    assert "1 of 1 seed diverged" in Path("study/report.html").read_text()
