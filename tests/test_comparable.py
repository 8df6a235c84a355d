"""A comparison compares like with like, and says how."""

import csv
import itertools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from studies import change, compared, far, finish, record

from bnrun.recording.tags import ScoreName
from bnrun.report.compare.field import fields
from bnrun.report.compare.verdict import verdicts
from bnrun.report.compare.yardstick import Wanted
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate
from bnrun.report_cli import main

WAYS = ("thresholded", "sampled", "averaged", "mean_field")
MORE = 0.3
"""Added to a score in its neuron's own way, so that it shows which way was taken."""

pytestmark = pytest.mark.usefixtures("here")


def evaluated(
    name: str, own: str, ways: Sequence[str], offset: float = 0.0, **options: Any
) -> Path:
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


def pair(**values: Any) -> None:
    """Two runs that differ in their estimator and in these values of the second result."""
    finish("a", far(0.0), "st")
    place = finish("b", far(0.2), "reinmax")
    change(Path("study/a"), data={"train": "a" * 64})
    change(place, data={"train": "a" * 64})
    change(place, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"data": {"train": "b" * 64}},
        {"data": {"train": "a" * 64, "test": "c" * 64}},
        {"steps": 40},
        {"config__trainer": {"epochs": 5}},
        {"config__trainer": {"steps": 5}},
        {"config__trainer": {"final_examples": 100}},
        {"config__trainer": {"final_samples": 7}},
        {"config__trainer": {"samples": 7}},
        {"config__trainer": {"evaluate_examples": 7}},
        {"config__dataset": {"split_seed": 1}},
        {"config__dataset": {"test": 10}},
        {"config__choices__dataset": "mnist"},
        {"config__choices__experiment": "fair"},
        {"config__dtype": "float64"},
    ],
    ids=str,
)
def test_runs_that_differ_in_what_they_are_judged_by_are_never_paired(values: Any) -> None:
    pair(**values)
    assert [len(contest.contestants) for contest in compared()] == [1, 1]
    assert len({contest.setting for contest in compared()}) == 2
    main(["study"])
    assert Path("study/report-pairs.csv").read_text().count("\n") == 1
    assert "wins" not in Path("study/report.md").read_text()


def test_runs_of_one_estimator_on_two_versions_of_a_file_are_not_joined() -> None:
    pair()
    place = finish("c", far(0.4), "reinmax", seeds=range(10, 20))
    change(place, data={"train": "b" * 64})
    first, second = compared()
    assert {c.label for c in first.contestants} | {c.label for c in second.contestants} == {
        "st",
        "reinmax",
    }
    assert re.fullmatch("data=[0-9a-f]{8}", first.setting)
    assert all(len(c.runs) == 1 for contest in (first, second) for c in contest.contestants)


def test_a_run_without_hashes_is_compared_and_it_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pair(data={})
    main(["study"])
    assert "no hash of the data was recorded in study/b: it may differ" in capsys.readouterr().out
    assert len(compared()) == 1


def test_a_run_of_which_every_seed_diverged_early_stays_a_contestant() -> None:
    pair(steps=3, diverged={str(seed): 3 for seed in range(10)})
    (contest,) = compared()
    assert [c.diverged for c in contest.contestants] == [0, 10]


def test_lengths_of_training_compete_only_on_request() -> None:
    for epochs in (5, 10):
        place = finish(f"{epochs}", far(epochs / 100), "st")
        change(place, config__trainer={"epochs": epochs}, steps=epochs)
    assert [len(contest.contestants) for contest in compared()] == [1, 1]
    (contest,) = compared(by=["trainer.epochs"])
    assert [c.label for c in contest.contestants] == ["epochs=10", "epochs=5"]


@pytest.mark.parametrize(
    ("key", "place", "reason"),
    [
        ("dataset", "config__choices__dataset", "different data"),
        ("dataset.test", "config__dataset__test", "different data"),
        ("trainer.final_samples", "config__trainer__final_samples", "changes how runs are eval"),
    ],
)
def test_what_changes_the_judge_cannot_compete(
    key: str, place: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (1, 2):
        change(finish(f"{value}", far(0.0)), **{place: value})
    assert [len(contest.contestants) for contest in compared()] == [1, 1]
    assert main(["study", "--by", key]) == 1
    assert f"{key} cannot compete: " in (error := capsys.readouterr().err)
    assert reason in error


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"versions": {"torch": "2.0.0", "numpy": "1"}},
            "differ in versions: torch-2.13.0 (study/a)",
        ),
        ({"commit": "other"}, "differ in commit: abc (study/a), other (study/b)"),
        ({"commit": None}, "differ in commit: abc (study/a), unknown (study/b)"),
        ({"commit": "abc+"}, "the code had changes that are not committed, e.g. in study/b"),
        ({"receipt": {"changes": "12345678"}}, "differ in changes to the code: "),
        ({"receipt": {"own_code": {"/my.py": "1" * 64}}}, "differ in file /my.py: 00000000"),
    ],
)
def test_other_code_is_named(
    values: dict[str, Any], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pair(**values)
    change(Path("study/a"), receipt={"own_code": {"/my.py": "0" * 64, "/other.py": "2" * 64}})
    main(["study"])
    assert sentence in capsys.readouterr().out
    assert "other.py" not in Path("study/report.md").read_text()


@pytest.mark.parametrize("missing", ["way", "goal", "data", "versions", "commit", "evaluations"])
def test_results_from_before_a_key_existed_are_compared(missing: str) -> None:
    pair(way="sampled", evaluations=1.0)
    path = Path("study/b/result.json")
    result = json.loads(path.read_text())
    del result[missing]
    path.write_text(json.dumps(result))
    assert main(["study"]) == 0
    assert len(compared()[0].contestants) == 2


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


def test_settings_with_the_same_last_name_keep_contestants_apart() -> None:
    for number, slopes in enumerate(({"first": {"slope": 1}}, {"second": {"slope": 1}})):
        finish(f"{number}", far(0.0), "mixture", **slopes)
    (contest,) = compared()
    assert {c.label for c in contest.contestants} == {
        "mixture estimator.first.slope=1",
        "mixture estimator.second.slope=1",
    }


def test_group_runs_of_several_tasks_do_not_replace_each_other() -> None:
    for task, score in (("vae", "nll"), ("classification", "accuracy")):
        for estimator, seed in itertools.product(("st", "reinmax"), (0, 10)):
            place = finish(
                f"{task}{estimator}{seed}",
                far(0.0),
                estimator,
                score=score,
                seeds=range(seed, seed + 10),
            )
            change(place, config__choices__task=task)
            record(place, {"loss/train": [far(0.0)]}, 10)
    assert main(["study", "--tensorboard"]) == 0
    assert {path.name for path in Path("study/groups").iterdir()} == {
        f"{score}-estimator={estimator}"
        for score in ("nll", "accuracy")
        for estimator in ("st", "reinmax")
    }


def test_a_score_that_is_asked_for_is_the_same_for_all() -> None:
    neurons()
    wanted = Wanted(ScoreName("test", "accuracy", "mean_field"), None)
    assert {contest.yardstick.way for contest in compared(wanted)} == {"mean_field"}
    means = {c.label: c.mean for c in compared(wanted, by=["neuron"])[0].contestants}
    assert means == {"sbn": pytest.approx(0.5009), "dbn": pytest.approx(0.9009)}


def test_a_run_without_a_finite_score_has_no_rank() -> None:
    for name, values in (("a", [math.nan] * 3), ("b", far(0.1, 3)), ("c", far(0.2, 3))):
        finish(name, values, name)
    table = tabulate(find_runs([Path("study")]).runs)
    assert [c.label for c in fields(table)[0].contestants] == ["c", "b", "a"]
