"""Runs that were made in different ways are never compared, and it is said."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from studies import change, compared, far, finish, record

from bnrun.report_cli import main

pytestmark = pytest.mark.usefixtures("here")


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
