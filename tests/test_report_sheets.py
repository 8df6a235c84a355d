"""The report's tables of final scores, pairs and cost: in a terminal, as CSV, on the page."""

import csv
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scipy import stats
from studies import far, finish, record

from bnrun.report_cli import main

pytestmark = pytest.mark.usefixtures("here")


def rows(name: str) -> list[dict[str, str]]:
    with Path("study", name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_pairs_are_a_csv_with_a_number_per_cell() -> None:
    finish("st", far(0.0), "st")
    finish("reinmax", far(0.1), "reinmax")
    main(["study"])
    (row,) = rows("report-pairs.csv")
    assert (row["better"], row["worse"]) == ("reinmax", "st")
    for title in ("difference", "low", "high"):
        assert float(row[title]) == pytest.approx(0.1, abs=1e-9)
    assert (float(row["p"]), float(row["p (alone)"])) == (2 / 1024, 2 / 1024)
    assert (row["P(better)"], row["seeds"]) == ("1.0", "10")
    assert (row["seeds needed"], row["at most"], row["verdict"]) == ("6", "6", "differs")


def test_an_unknown_number_is_an_empty_cell() -> None:
    finish("a", [0.5], "st")
    finish("b", [math.nan], "reinmax", diverged={0: 3})
    main(["study"])
    (row,) = rows("report-pairs.csv")
    assert [row[title] for title in ("difference", "low", "high", "seeds needed")] == [""] * 4
    assert (row["seeds"], row["diverged"], row["verdict"]) == ("0", "1", "too few seeds")
    assert [row["mean"] for row in rows("report-final.csv")] == ["0.5", ""]


def test_final_scores_show_what_was_chosen_and_are_over_fresh_seeds_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for rate, offset in ((0.1, 0.0), (1.0, 0.3)):
        finish(f"st{rate}", far(0.9, 3), "st", lr=rate, validation=far(offset, 3))
        finish(f"reinmax{rate}", far(0.9, 3), "reinmax", lr=rate, validation=far(-offset, 3))
    finish("fresh", [0.2, 0.4, 0.6], "st", lr=1.0, validation=far(-0.4, 3), seeds=[3, 4, 5])
    main(["study"])
    chosen = {row["contestant"]: row for row in rows("report-final.csv")}
    assert chosen["st"]["chosen on validation"] == "optimizer.lr=1.0"
    assert chosen["reinmax"]["chosen on validation"] == "optimizer.lr=0.1"
    assert float(chosen["st"]["mean"]) == pytest.approx(0.4)
    assert float(chosen["st"]["half"]) == pytest.approx(stats.t.ppf(0.975, 2) * 0.2 / 3**0.5)
    for text in (capsys.readouterr().out, Path("study/report.md").read_text()):
        final = text[text.index("Final scores") : text.index("Pairs")]
        assert "optimizer.lr=1.0" in final
        assert "0.40 ± 0.50" in final or "0.400 ± 0.497" in final


def test_every_seed_is_a_row_for_each_score() -> None:
    finish("a", [0.5, math.nan, 0.7], "=st", seeds=[4, 5, 6], diverged={5: 350})
    main(["study"])
    sheet = rows("report-seeds.csv")
    assert len(sheet) == 2 * 2 * 3
    test = [row for row in sheet if (row["split"], row["way"]) == ("test", "sampled")]
    assert [(row["seed"], row["value"], row["diverged"]) for row in test] == [
        ("4", "0.5", ""),
        ("5", "", "350"),
        ("6", "0.7", ""),
    ]
    assert {row["contestant"] for row in sheet} == {"'=st"}
    assert {row["score"] for row in sheet} == {"accuracy"}


@pytest.mark.parametrize(
    ("values", "larger", "median", "worst", "seed"),
    [
        ([0.5, 0.9, 0.75, 0.625], True, "0.6875", "0.5", "0"),
        ([0.5, 0.9, 0.75, 0.625], False, "0.6875", "0.9", "1"),
        ([0.5, math.nan, 0.75, 0.625], True, "0.5625", "", "1"),
        ([math.nan, math.nan, 0.7, 0.6], True, "", "", "0"),
    ],
)
def test_the_worst_seed_is_one_that_diverged_if_any_did(
    values: list[float], larger: bool, median: str, worst: str, seed: str
) -> None:
    diverged = {n: 9 for n, value in enumerate(values) if math.isnan(value)}
    finish("a", values, "st", diverged=diverged, larger=larger)
    finish("b", far(0.0, 4), "reinmax", larger=larger)
    main(["study"])
    row = next(row for row in rows("report-final.csv") if row["contestant"] == "st")
    assert (row["median"], row["worst"], row["worst seed"]) == (median, worst, seed)
    assert f" ({seed}) |" in Path("study/report.md").read_text()


def test_the_terminal_shows_the_first_of_many_pairs_and_where_to_find_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in range(12):
        finish(f"run{number}", far(number / 100), "st", slope=number)
    main(["study"])
    out = capsys.readouterr().out
    assert "and 6 more pairs, see report-pairs.csv" in out
    pairs = out[out.index("Pairs") : out.index("Runs")]
    assert pairs.count(" differs\n") == 60
    assert len(rows("report-pairs.csv")) == 66


def test_the_page_shows_how_scores_were_evaluated_and_the_cost_of_an_update() -> None:
    finish("a", far(0.0), "st", neuron="dbn")
    finish("b", far(0.1), "sigmoid_st", neuron="dbn")
    main(["study"])
    html = Path("study/report.html").read_text()
    assert "test accuracy thresholded: mean and 95 % interval over seeds" in html
    cost = html[html.index("<h2>Cost</h2>") : html.index("<h2>All runs</h2>")]
    # 20 updates in 2 seconds.
    assert re.findall(r'<td class="number">(.*?)</td>', cost) == ["20", "", "100", "2.0"] * 2


@pytest.mark.parametrize(
    ("options", "encoding"), [("", "ascii"), ("--tensorboard", "utf-8"), ("--help", "utf-8")]
)
def test_a_reader_that_closes_the_pipe_and_a_poor_terminal_are_no_errors(
    options: str, encoding: str
) -> None:
    for neuron in ("sbn", "my_sbn"):
        for estimator in ("st", "reinmax"):
            place = finish(f"{neuron}{estimator}", far(0.0), estimator, neuron)
            record(place, {"loss/train": [far(0.9)]}, 10)
    program = (
        f"{sys.executable} -c 'import sys; from bnrun.report_cli import main; sys.exit(main())'"
    )
    command = f"set -o pipefail; {program} study {options} | {{ read line; }}"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    if options != "--help":
        names = {path.name for path in Path("study").glob("report*")}
        ends = (".md", ".html", ".csv", "-final.csv", "-pairs.csv", "-seeds.csv", "-aggregates.csv")
        assert names == {f"report{end}" for end in ends}
    assert Path("study/groups").exists() == (options == "--tensorboard")


def test_what_a_terminal_cannot_encode_is_replaced() -> None:
    finish("a", far(0.0), "sté")
    finish("b", far(0.1), "\u4e2d")
    program = "import sys; from bnrun.report_cli import main; sys.exit(main(['study']))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"st?" in done.stdout


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_narrow_terminal_still_names_both_contestants_of_a_pair(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for neuron in ("dbn", "sbn"):
        finish(f"{neuron}-1", far(0.1), "reinmax", neuron)
        finish(f"{neuron}-2", far(0.0), "disarm", neuron)
    assert main(["study"]) == 0
    pairs = capsys.readouterr().out.split("\nPairs")[1].split("\nRuns\n")[0].splitlines()
    rows = [line for line in pairs if "reinmax" in line]
    assert len(rows) == 2
    assert all("disarm" in row for row in rows)
    assert max(map(len, pairs)) <= columns
    if columns >= 80:
        assert all(row.startswith("neuron=") and "differs" in row for row in rows)
