"""Raw results are collected into a CSV and shown on a page beside the published numbers."""

import shutil
from pathlib import Path

import collect as collect_program
import pytest
import results_page
from finished_runs import finish
from raw_results import collect, read_raw
from results_page import publish
from runs import bnrun

from bnrun.recording.history import read_metrics

DOCS = Path(__file__).parents[1] / "docs"

RECIPE = """
title: A recipe
command: bnrun -m experiment=recipe
budget: full
text: What came out.
tables:
  - title: Accuracy
    split: test
    rows: [estimator]
    columns: {accuracy/sampled: sampled}
    published:
      - {where: {estimator: reinmax}, column: accuracy/sampled, value: .95, tag: P}
figures:
  - name: ways
    title: The ways
    split: test
    lines: [estimator]
    points: {accuracy/sampled: 1, accuracy/thresholded: 2}
    xlabel: way
    ylabel: accuracy
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Raw results of two estimators, and a recipe that shows them."""
    monkeypatch.chdir(tmp_path)
    scores = {"sampled": [0.5, 0.6, 0.7], "thresholded": [0.8, None, 0.9]}
    finish("study/a", estimator="st", test=scores, diverged={"1": 7})
    finish("study/b", estimator="reinmax", test=scores)
    assert collect_program.main(["docs/results/recipe.csv", "study"]) == 0
    folder = tmp_path / "docs" / "results"
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def test_raw_results_hold_every_seed_and_split_with_its_setting(folder: Path) -> None:
    rows = read_raw(folder / "recipe.csv")
    assert len(rows) == 2 * 3 * 3
    diverged = [row for row in rows if row["estimator"] == "st" and row["seed"] == "1"]
    assert [row["diverged"] for row in diverged] == ["7"] * 3
    assert {(row["accuracy/sampled"], row["accuracy/thresholded"]) for row in diverged} == {
        ("0.6", "")
    }


def test_the_page_has_means_with_intervals_and_the_published_number_in_its_row(
    folder: Path,
) -> None:
    page = publish(folder).read_text()
    # Three values a tenth apart: half the interval is 4.303 * .1 / sqrt(3).
    assert "| reinmax | 3 | 0.600 ± 0.248 | 0.95 (P) |" in page
    assert "| st | 3 | 0.600 ± 0.248 |  |" in page
    assert "![The ways](results/recipe-ways.svg)" in page
    assert "reinmax" in (folder / "recipe-ways.svg").read_text()


def test_ratios_are_taken_seed_by_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    thresholded = {"thresholded": [0.5, 0.5, 0.5]}
    finish("study/a", estimator="st", test=thresholded | {"sampled": [0.1, 0.2, 0.4]})
    finish("study/b", estimator="reinmax", test=thresholded | {"sampled": [0.2, 0.4, 0.8]})
    assert collect_program.main(["results/recipe.csv", "study"]) == 0
    added = "    ratios: {accuracy/sampled: to st}\n    base: {estimator: st}\n    published:"
    (tmp_path / "results" / "recipe.yaml").write_text(RECIPE.replace("    published:", added))
    page = publish(tmp_path / "results").read_text()
    assert "| reinmax | 3 | 2 |" in page
    assert "| st | 3 | 1 |" in page
    wrong = RECIPE.replace("    published:", added.replace("estimator: st", "estimator: arm"))
    (tmp_path / "results" / "recipe.yaml").write_text(wrong)
    assert results_page.main(["results"]) == 1
    assert "has 0 rows with {'estimator': 'arm'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("tag: P", "tag: paper"),
        ("accuracy/sampled: sampled", "accuracy/nothing: x"),
        ("split: test", "split: nowhere"),
        ("tables:", "tables"),
        # A published number that would not be seen.
        ("{estimator: reinmax}", "{estimator: arm}"),
        ("column: accuracy/sampled", "column: accuracy/thresholded"),
    ],
)
def test_a_recipe_that_does_not_match_its_results_is_an_error_and_no_page_is_written(
    folder: Path, right: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(right, wrong, 1))
    assert results_page.main([str(folder)]) == 1
    assert str(recipe) in capsys.readouterr().err
    assert not folder.with_suffix(".md").exists()


def test_without_finished_runs_there_is_nothing_to_collect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run in"):
        collect(tmp_path / "x.csv", [tmp_path])


def test_curves_units_and_gradients_are_those_of_the_history(tmp_path: Path) -> None:
    words = ["seeds=[3,7]", "model.hidden=[3]", "trainer.steps=4", "trainer.evaluate_every=0.04"]
    measured = ["gradients.every=0.04", "gradients.estimators=[disarm]", "gradients.draws=4"]
    run = bnrun(tmp_path / "study", *words, *measured)
    assert collect(tmp_path / "raw.csv", [run], curves=["accuracy/sampled"]) > 0
    rows = read_raw(tmp_path / "raw.csv")
    history = {
        (step, seed, tag): value
        for step, seed, tag, value in read_metrics(run)["step", "seed", "tag", "value"].iter_rows()
    }
    assert {row["split"] for row in rows} == {"train", "validation", "test", "units", "gradients"}
    for row in rows:
        seed, split, step = int(row["seed"]), row["split"], int(row["steps"])
        for column in row:
            kind, _, at = column.partition("@")
            if at and split in ("train", "validation", "test"):
                tag = kind.replace("/", f"/{split}/")
                assert float(row[column]) == pytest.approx(history[int(at), seed, tag], 1e-5)
            elif column.startswith("layer1/") and split == "units":
                tag = f"units/{column}"
                assert float(row[column]) == pytest.approx(history[4, seed, tag], 1e-5, 1e-9)
            elif column == "total/bias" and split == "gradients" and row[column]:
                tag = f"gradients/{row['measured']}/total/bias"
                assert float(row[column]) == pytest.approx(history[step, seed, tag], 1e-5)
    assert {c for c in rows[0] if "@" in c} == {f"accuracy/sampled@{k}" for k in range(5)}
    assert {int(row["steps"]) for row in rows if row["split"] == "gradients"} == set(range(5))


@pytest.mark.skipif(not (DOCS / "results").is_dir(), reason="no results are committed")
def test_the_committed_page_is_made_from_the_committed_results(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "results", tmp_path / "results")
    page = publish(tmp_path / "results").read_text()
    assert page == (DOCS / "results.md").read_text(), (
        "docs/results.md is stale: run python docs/build/results_page.py"
    )
