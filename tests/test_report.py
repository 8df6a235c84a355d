import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy import stats

from bnrun.recording.intervals import decimals, interval_text
from bnrun.recording.metrics import MetricsFile
from bnrun.recording.result import RESULT, read_result, write_result
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate
from bnrun.report.render.scores_table import scores_table
from bnrun.report_cli import main

ACCURACIES = {"thresholded": [0.96, 0.97, 0.98], "sampled": [0.91, 0.92, 0.96]}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.chdir(tmp_path)


def finish(
    folder: str,
    neuron: str = "sbn",
    estimator: str = "st",
    test: dict[str, list[float | None]] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    diverged: dict[str, int] | None = None,
    overrides: Sequence[str] = (),
    **config: Any,
) -> Path:
    """A finished run; `config` is added to its config, with __ for a dot in a key."""
    place = Path(folder)
    (place / ".hydra").mkdir(parents=True)
    (place / ".hydra" / "overrides.yaml").write_text(json.dumps(list(overrides)))
    resolved: dict[str, Any] = {
        "name": "study",
        "output": f"outputs/{folder}",
        "seeds": len(seeds),
        "neuron": {"_target_": f"bnrun.core.neurons.{neuron}", "signed": False},
        "estimator": {
            "_target_": f"bnrun.estimators.{estimator}",
            "neuron": {"_target_": f"bnrun.core.neurons.{neuron}", "signed": False},
        },
        "dataset": {"_target_": "bnrun.data.digits", "root": None},
        "model": {"_target_": "bnrun.models.mlp", "hidden": [100]},
        "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1},
        "choices": {
            "neuron": neuron,
            "estimator": estimator,
            "dataset": "digits",
            "model": "mlp",
            "optimizer": "sgd",
            "experiment": None,
            "hydra/launcher": "basic",
        },
    }
    for key, value in config.items():
        *parents, last = key.split("__")
        node = resolved
        for parent in parents:
            node = node[parent]
        node[last] = value
    accuracy = test or {way: values[: len(seeds)] for way, values in ACCURACIES.items()}
    loss = {way: [0.5] * len(seeds) for way in accuracy}
    write_result(
        place,
        {
            "seeds": list(seeds),
            "scores": {
                "train": {"accuracy": accuracy},
                "validation": {"accuracy": accuracy, "loss": loss},
                "test": {"accuracy": accuracy, "loss": loss},
            },
            "diverged": diverged or {},
            "steps": 400,
            "seconds": 12.34,
            "config": resolved,
            "versions": {},
            "commit": None,
            "data": {},
        },
    )
    return place


def columns(*paths: str) -> dict[str, tuple[str, ...]]:
    """Title -> cells of the settings that differ or are named."""
    table = tabulate(find_runs([Path(path) for path in paths or ("study",)]).runs)
    return {column.title: column.cells for column in table.settings if not column.constant}


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


def test_values_determined_by_a_choice_are_not_columns() -> None:
    finish("study/a", estimator="st")
    finish("study/b", estimator="sigmoid_st", estimator__slope=1.0)
    finish("study/c", "dbn", "st")
    assert columns().keys() == {"neuron", "estimator"}


def test_values_that_differ_within_a_choice_are_columns_sorted_as_numbers() -> None:
    for slope in (10.0, 2.0, 1.5):
        finish(f"study/{slope}", estimator="sigmoid_st", estimator__slope=slope)
    finish("study/st")
    assert columns() == {
        "estimator": ("sigmoid_st", "sigmoid_st", "sigmoid_st", "st"),
        "estimator.slope": ("1.5", "2.0", "10.0", "–"),
    }


def test_a_value_named_on_the_command_line_is_a_column_even_if_its_choice_determines_it() -> None:
    finish("study/a", estimator="st")
    finish(
        "study/b", estimator="sigmoid_st", estimator__slope=2.0, overrides=["+estimator.slope=2"]
    )
    assert columns()["estimator.slope"] == ("2.0", "–")


def test_a_value_of_another_group_is_a_column_even_if_it_varies_with_the_estimator() -> None:
    finish("study/a", estimator="st", optimizer__lr=0.5)
    finish("study/b", estimator="sigmoid_st", optimizer__lr=1.5)
    assert columns()["optimizer.lr"] == ("1.5", "0.5")


def test_a_value_copied_into_another_group_is_shown_once() -> None:
    finish("study/a", neuron__signed=True, estimator__neuron__signed=True)
    finish("study/b")
    assert columns() == {"neuron.signed": ("false", "true")}


def test_options_that_do_not_change_results_are_not_columns_but_the_study_is() -> None:
    finish("study/a", dataset__root="/data", device="cpu", resume="auto", recorder={"x": 1})
    finish("study/b", name="other", device="cuda", resume="never", recorder={"x": 2})
    assert columns() == {"name": ("other", "study")}


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
        (["half"], "none of 1 runs is finished (the first: half/run): run the same command again"),
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


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        ([[0.5]], ["0.5000"]),
        ([[0.5, 0.5]], ["0.5000 ± 0.0000"]),
        ([[0.96, 0.97, 0.98], [0.9], [], [float("nan")]], ["0.970 ± 0.025", "0.900", "", "none"]),
        ([[0.2, 0.3]], ["0.250 ± 0.635"]),
        ([[900.0, 1100.0, 1500.0]], ["1167 ± 759"]),
        ([[1e-9, 2e-9]], ["0.0000000015 ± 0.0000000064"]),
        ([[0.1] * 3, [0.7] * 3], ["0.1000 ± 0.0000", "0.7000 ± 0.0000"]),
    ],
)
def test_intervals_show_two_digits_of_their_width(
    rows: list[list[float]], texts: list[str]
) -> None:
    digits = decimals(rows)
    assert [interval_text(row, digits) for row in rows] == texts


def test_scores_table_has_a_row_per_way_and_a_column_per_split_and_score() -> None:
    result = read_result(finish("run") / RESULT)
    console = Console(width=100, record=True)
    console.print(scores_table(result))
    lines = console.export_text().splitlines()
    assert lines[0].split() == ["test", "test", "validation", "validation"]
    assert lines[1].split() == ["evaluated", "accuracy", "loss", "accuracy", "loss"]
    assert lines[3].split()[:4] == ["thresholded", "0.970", "±", "0.025"]
    assert lines[4].split()[:4] == ["sampled", "0.930", "±", "0.066"]
    assert "95 % interval over 3 seeds" in lines[5]


def test_scores_table_is_transposed_for_many_scores() -> None:
    result = read_result(finish("run") / RESULT)
    for split in ("test", "validation"):
        accuracy = result["scores"][split]["accuracy"]
        result["scores"][split] = {
            "accuracy": accuracy,
            "precision": {"sampled": accuracy["sampled"]},
            "recall": accuracy,
        }
    console = Console(width=80, record=True)
    console.print(scores_table(result))
    lines = console.export_text().splitlines()
    assert lines[0].split() == ["score", "thresholded", "sampled"]
    assert lines[2].split()[:5] == ["test", "accuracy", "0.970", "±", "0.025"]
    assert lines[3].split() == ["test", "precision", "0.930", "±", "0.066"]
    assert len(lines[2:8]) == 6
    assert lines[7].split()[:2] == ["validation", "recall"]
