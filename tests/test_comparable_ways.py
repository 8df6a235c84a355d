"""Contestants are compared in one way of evaluating, which every output names."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from studies import change, compared, far, finish

from bnrun.recording.tags import ScoreName
from bnrun.report.compare.yardstick import Wanted
from bnrun.report_cli import main

pytestmark = pytest.mark.usefixtures("here")

WAYS = ("thresholded", "sampled", "averaged", "mean_field")
MORE = 0.3
"""Added to a score in its neuron's own way, so that it shows which way was taken."""


def evaluated(
    name: str, own: str, ways: Sequence[str], offset: float = 0.0, **options: Any
) -> None:
    """A run with a score in each of these ways, higher in its own."""
    place = finish(name, far(0.0), **options)
    values = {way: far(offset + MORE * (way == own)) for way in ways}
    change(place, way=own, scores={s: {"accuracy": values} for s in ("test", "validation")})


def neurons() -> None:
    """A DBN that is better by 0.1, and an SBN that seems better by 0.2 in its own way."""
    for estimator in ("st", "reinmax"):
        names = {"estimator": estimator, "neuron": "dbn"}
        evaluated(f"dbn{estimator}", "mean_field", ("thresholded", "mean_field"), 0.1, **names)
        change(Path("study", f"dbn{estimator}"), way="thresholded")
        evaluated(f"sbn{estimator}", "sampled", WAYS, **{**names, "neuron": "sbn"})


def test_neurons_are_compared_thresholded_and_every_output_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    neurons()
    assert main(["study", "--by", "neuron", "--latex"]) == 0
    printed = capsys.readouterr().out
    html, page, table = (Path(f"study/report.{x}").read_text() for x in ("html", "md", "tex"))
    for text in (printed, page):
        assert "estimator=st: dbn wins by 0.10000 (test accuracy thresholded)" in text
        assert "own way of evaluating is sampled or thresholded; all are compared thresh" in text
    assert "ahead in 2 of 2 settings, behind in none (test accuracy thresholded)</h1>" in html
    assert re.findall(r"\\caption{(.*?):", table) == ["Test accuracy thresholded"]
    for name in ("final", "pairs"):
        with Path(f"study/report-{name}.csv").open() as file:
            assert {row["score"] for row in csv.DictReader(file)} == {"test accuracy thresholded"}
    for title in re.findall(r"<figcaption>(.*?)</figcaption>", html):
        assert "accuracy thresholded" in title


def test_no_column_mixes_ways_of_evaluating(capsys: pytest.CaptureFixture[str]) -> None:
    neurons()
    assert main(["study"]) == 0
    rows = capsys.readouterr().out.split("Final scores")[1].split("Pairs")[0]
    assert re.findall(r"(thresholded|sampled)", rows) == ["thresholded", "sampled"]
    page = Path("study/report.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith("| neuron=sbn | st"))
    assert row.startswith("| neuron=sbn | st |  | 0.80")


def test_ways_without_a_common_one_are_listed_and_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluated("a", "thresholded", ["thresholded"], neuron="dbn")
    evaluated("b", "mean_field", ["mean_field", "other"], neuron="real")
    assert main(["study", "--by", "neuron"]) == 1
    error = capsys.readouterr().err
    assert "study/a: thresholded; study/b: mean_field, other" in error
    assert "--score test/accuracy/WAY" in error
    assert main(["study", "--by", "neuron", "--score", "test/accuracy/other"]) == 0


RUN = st.lists(st.sampled_from(WAYS), min_size=1, max_size=4, unique=True).flatmap(
    lambda ways: st.tuples(st.sampled_from(ways), st.just(ways))
)
"""A way that is the neuron's own, and all ways."""


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(RUN, min_size=2, max_size=4))
def test_contestants_always_share_their_way(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[str, list[str]]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("ways"))
        for number, (own, ways) in enumerate(runs):
            evaluated(f"{number}", own, ways, neuron=f"n{number}")
        common = set.intersection(*(set(ways) for _, ways in runs))
        if not common:
            with pytest.raises(ValueError, match="was not evaluated in any way that all runs have"):
                compared(by=["neuron"])
            return
        (contest,) = compared(by=["neuron"])
        way = contest.yardstick.way
        assert way in common
        if len({own for own, _ in runs}) == 1:
            assert way == runs[0][0] or runs[0][0] not in common
        for contestant in contest.contestants:
            own, _ = runs[int(contestant.label[1:])]
            assert contestant.mean == pytest.approx(0.5009 + MORE * (own == way))


def test_a_score_that_is_asked_for_is_the_same_for_all() -> None:
    neurons()
    wanted = Wanted(ScoreName("test", "accuracy", "mean_field"), None)
    assert {contest.yardstick.way for contest in compared(wanted)} == {"mean_field"}
    means = {c.label: c.mean for c in compared(wanted, by=["neuron"])[0].contestants}
    assert means == {"sbn": pytest.approx(0.5009), "dbn": pytest.approx(0.9009)}
