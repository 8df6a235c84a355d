"""A study is one row per finished run; what is left out is named."""

import csv
from pathlib import Path
from typing import Any

import pytest
from finished_runs import ACCURACIES, finish
from scipy import stats

from bnrun.recording.metrics import MetricsFile
from bnrun.recording.result import RESULT, read_result, write_result
from bnrun.report_cli import main

pytestmark = pytest.mark.usefixtures("here")


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_is_one_row_per_run_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    for neuron in ("sbn", "dbn"):
        for estimator in ("st", "sigmoid_st"):
            finish(f"study/{neuron}-{estimator}", neuron, estimator)
    assert main(["study"]) == 0
    assert [(row["neuron"], row["estimator"]) for row in rows("study/report.csv")] == [
        ("dbn", "sigmoid_st"),
        ("dbn", "st"),
        ("sbn", "sigmoid_st"),
        ("sbn", "st"),
    ]
    printed = capsys.readouterr().out
    assert "0.970 ± 0.025" in printed
    assert (
        "In all runs: dataset=digits, model=mlp, optimizer=sgd, seeds=3, diverged=none" in printed
    )
    text = Path("study/report.md").read_text()
    header = next(line for line in text.splitlines() if line.startswith("| neuron |"))
    assert header == (
        "| neuron | estimator | test accuracy thresholded | test accuracy sampled "
        "| validation accuracy thresholded | validation accuracy sampled | seconds |"
    )
    assert "| dbn | sigmoid_st | 0.970 ± 0.025 | 0.930 ± 0.066 |" in text
    assert "In all runs: dataset=digits" in text


def test_the_csv_has_means_and_half_widths_of_every_score() -> None:
    finish("study/run")
    main(["study"])
    (row,) = rows("study/report.csv")
    values = ACCURACIES["sampled"]
    lower, upper = stats.t.interval(0.95, 2, loc=sum(values) / 3, scale=stats.sem(values))
    assert float(row["test/accuracy/sampled"]) == pytest.approx(sum(values) / 3)
    assert float(row["test/accuracy/sampled/half"]) == pytest.approx((upper - lower) / 2)
    assert float(row["train/accuracy/sampled"]) == pytest.approx(sum(values) / 3)
    assert float(row["validation/loss/sampled"]) == 0.5
    assert (row["run"], row["dataset"], row["seeds"]) == ("study/run", "digits", "3")
    assert (row["steps"], row["seconds"], row["diverged"]) == ("400", "12.34", "0")


def test_diverged_seeds_are_named_and_left_out_of_the_mean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish("study/a", test={"sampled": [0.5, None, 0.7]}, seeds=(4, 5, 6), diverged={"5": 350})
    finish("study/b", "dbn", test={"sampled": [None] * 3}, seeds=(4, 5, 6))
    main(["study"])
    printed = capsys.readouterr().out
    assert "1 of 3 (seed 5 at step 350)" in printed
    assert "0.6 ± 1.3" in printed
    assert "none" in printed
    assert [row["test/accuracy/sampled"] for row in rows("study/report.csv")] == ["", "0.6"]


def test_one_seed_has_a_score_without_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    finish("study/run", seeds=(7,))
    main(["study"])
    printed = capsys.readouterr().out
    assert "0.9600" in printed
    assert "0.9600 ±" not in printed
    assert "seeds=1 (7)" in printed
    assert rows("study/report.csv")[0]["test/accuracy/sampled/half"] == ""


def test_runs_with_equal_settings_are_named_by_their_folders(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish("one/run")
    finish("two/run")
    main(["one", "two"])
    printed = capsys.readouterr().out
    assert "one/run" in printed
    assert "two/run" in printed
    assert not Path("two/report.md").exists()


def test_a_run_found_twice_is_one_row() -> None:
    finish("study/a")
    main(["study", "study/a"])
    assert len(rows("study/report.csv")) == 1


def test_a_value_that_looks_like_markup_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish("study/a", model__hidden=[200, 100])
    finish("study/b", model__hidden=["bold", "|"])
    main(["study"])
    assert "[200, 100]" in capsys.readouterr().out
    assert "['bold', '&#124;']" in Path("study/report.md").read_text()


def test_unfinished_runs_are_named_with_the_step_they_reached(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish("study/done")
    Path("study/started/.hydra").mkdir(parents=True)
    Path("study/killed").mkdir()
    file = MetricsFile(Path("study/killed"), [0])
    file.append(350, 1.0, 1.0, {"loss/train": [0.1]})
    file.close()
    assert main(["study"]) == 0
    printed = capsys.readouterr().out
    assert "unfinished: study/killed, recorded up to step 350" in printed
    assert "unfinished: study/started\n" in printed
    assert "study/killed" in Path("study/report.md").read_text()


def test_a_broken_result_is_named_and_the_others_are_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish("study/a")
    broken = finish("study/b") / RESULT
    broken.write_text(broken.read_text()[:-20])
    assert main(["study"]) == 1
    output = capsys.readouterr()
    assert "left out: study/b/result.json: not JSON" in output.err
    assert len(rows("study/report.csv")) == 1


def test_output_says_where_the_files_go() -> None:
    finish("study/a")
    assert main(["study", "--output", "docs/tables"]) == 0
    sheets = ("", "-final", "-pairs", "-seeds", "-aggregates")
    names = {"report.md", "report.html", *(f"report{sheet}.csv" for sheet in sheets)}
    assert {path.name for path in Path("docs/tables").iterdir()} == names
    assert not Path("study/report.md").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["empty"], "no run in empty: give the folder of a run or of a study, such as outputs"),
        (["half"], "the run half/run is not finished: run the same command again"),
        (["broken"], "broken/run/result.json: not JSON"),
        (["done", "--output", "file"], "file: File exists"),
    ],
)
def test_an_error_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty/sub").mkdir(parents=True)
    Path("half/run/.hydra").mkdir(parents=True)
    Path("broken/run").mkdir(parents=True)
    Path("broken/run/result.json").touch()
    Path("file").touch()
    finish("done")
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"bnrun-report: {sentence}")
    assert error.count("\n") == 1


def test_two_settings_and_four_scores_fit_into_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ways = ("thresholded", "sampled", "averaged", "mean_field")
    scores: dict[str, list[float | None]] = {way: [0.91, 0.92, 0.93] for way in ways}
    finish("study/a", estimator="sigmoid_st", test=scores)
    finish("study/b", "dbn", test=scores)
    main(["study"])
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert sum(line.startswith("sbn     sigmoid_st  0.920 ± 0.025  0.9") for line in lines) == 2


def test_a_task_with_other_scores_is_compared_by_them() -> None:
    place = finish("study/a")
    result: dict[str, Any] = {**read_result(place / RESULT)}
    result["scores"] = {"test": {"elbo": {"sampled": [-90.0, -91.0, -92.0]}}}
    result["goal"] = {"score": "elbo", "way": None, "larger_is_better": True}
    write_result(place, result)
    main(["study"])
    assert "| -91.0 ± 2.5 |" in Path("study/report.md").read_text()
