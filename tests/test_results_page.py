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
from bnrun.report.compare.statistics import compare_pairs

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


DESIGN = """
title: A study
command: bnrun -m experiment=study
budget: full
design: What will decide it.
text: What came out.
tables:
  - title: Tuned
    split: test
    tuned: {over: optimizer.lr, score: accuracy/sampled}
    rows: [estimator, optimizer.lr]
    columns: {accuracy/sampled: sampled}
contrasts:
  - title: Differences
    tuned: {over: optimizer.lr, score: accuracy/sampled}
    score: accuracy/sampled
    contestants: {st: {estimator: st}, reinmax: {estimator: reinmax}}
    pairs: [[reinmax, st]]
    places: [{neuron: sbn}]
"""


def study(folder: Path) -> Path:
    """Raw results of two estimators; the best rate on test is not the best on validation."""
    heading = (
        "neuron,estimator,optimizer.lr,seed,split,measured,steps,seconds,diverged,commit,machine"
    )
    lines = [f"{heading},accuracy/sampled"]
    values = {
        ("st", "1"): (0.9, 0.5),
        ("st", "2"): (0.8, 0.7),
        ("reinmax", "1"): (0.1, 0.9),
        ("reinmax", "2"): (0.2, 0.6),
        ("reinmax", "3"): (0.95, 0.95),
    }
    for (estimator, rate), scores in values.items():
        for seed in range(6):
            for split, score in zip(("validation", "test"), scores, strict=True):
                lost = 7 if rate == "3" and seed == 0 else ""
                facts = f"{seed},{split},,10,1,{lost},abc,cpu"
                lines.append(
                    f"sbn,{estimator},{rate},{facts},{score + seed / 1000 * (rate != '1')}"
                )
    (folder / "study.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_design_is_on_the_page_before_there_are_results(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(DESIGN)
    page = publish(tmp_path).read_text()
    assert "no results yet" in page
    assert "What will decide it." in page
    assert "What came out." not in page
    page = publish(study(tmp_path)).read_text()
    assert "no results yet" not in page
    assert "What came out." in page


def test_the_rate_is_chosen_on_validation_where_fewest_seeds_diverged(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(DESIGN)
    page = publish(study(tmp_path)).read_text()
    assert "| st | 1 | 6 | 0.5 |" in page
    assert "| reinmax | 2 | 6 | 0.6" in page
    assert "| reinmax | 3 |" not in page


def test_several_settings_and_the_way_of_evaluating_are_chosen_together(tmp_path: Path) -> None:
    heading = (
        "estimator,optimizer.lr,optimizer.weight_decay,seed,split,measured,steps,seconds,diverged,"
        "commit,machine,accuracy/sampled,accuracy/thresholded"
    )
    # (rate, decay): validation sampled and thresholded, test sampled and thresholded
    values = {
        ("1", "0"): (0.5, 0.6, 0.95, 0.96),
        ("1", "3"): (0.7, 0.9, 0.11, 0.22),
        ("2", "0"): (0.8, 0.4, 0.97, 0.98),
    }
    lines = [
        f"st,{rate},{decay},{seed},{split},,10,1,,abc,cpu,{scores[place]},{scores[place + 1]}"
        for (rate, decay), scores in values.items()
        for split, place in (("validation", 0), ("test", 2))
        for seed in range(3)
    ]
    (tmp_path / "study.csv").write_text("\n".join([heading, *lines]) + "\n")
    (tmp_path / "study.yaml").write_text("""
title: A study
command: bnrun -m experiment=study
budget: full
tables:
  - title: Chosen
    split: test
    tuned:
      over: [optimizer.lr, optimizer.weight_decay, way]
      score: chosen
      ways: {accuracy/sampled: a sample, accuracy/thresholded: a threshold}
    rows: [estimator, optimizer.lr, optimizer.weight_decay, way]
    columns: {chosen: accuracy}
""")
    page = publish(tmp_path).read_text()
    assert "| st | 1 | 3 | a threshold | 3 | 0.22 |" in page
    assert page.count("| st |") == 1


def test_differences_are_paired_at_the_chosen_rates_with_the_intervals_of_the_report(
    tmp_path: Path,
) -> None:
    (tmp_path / "study.yaml").write_text(DESIGN)
    page = publish(study(tmp_path)).read_text()
    seeds = range(6)
    (expected,) = compare_pairs([({s: 0.6 + s / 1000 for s in seeds}, dict.fromkeys(seeds, 0.5))])
    half = (expected.high - expected.low) / 2
    assert expected.significant
    assert f"| sbn | {expected.mean:.3f} ± {half:.3f} &#42; |" in page


def test_a_difference_without_a_seed_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = DESIGN.replace("{neuron: sbn}", "{neuron: dbn}")
    (study(tmp_path) / "study.yaml").write_text(wrong)
    assert results_page.main([str(tmp_path)]) == 1
    assert "no seed for ('reinmax', 'st')" in capsys.readouterr().err


@pytest.mark.parametrize("lower", [False, True])
def test_standings_count_whom_a_contestant_beats_on_seeds_that_chose_nothing(
    tmp_path: Path, lower: bool
) -> None:
    wobble = [0.011, -0.007, 0.004, -0.013, 0.009, 0.002, -0.005, 0.001]
    means = {"a": 0.9, "b": 0.5, "c": 0.501}
    heading = "net,estimator,seed,split,measured,steps,seconds,diverged,commit,machine,score/way"
    lines = [heading]
    for place, (name, mean) in enumerate(means.items()):
        for seed in range(2, 10):
            for split in ("validation", "test"):
                # Seeds 0 and 1, with another order, chose the rate.
                value = mean + wobble[(seed + 3 * place) % 8]
                lines.append(f"1,{name},{seed},{split},,10,1,,abc,cpu,{value}")
        lines += [f"1,{name},{seed},test,,10,1,,abc,cpu,{100 * place}" for seed in (0, 1)]
    (tmp_path / "study.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "study.yaml").write_text(f"""
title: A study
command: bnrun -m experiment=study
budget: full
standings:
  - title: Standings
    score: score/way
    lower: {str(lower).lower()}
    search_seeds: ["0", "1"]
    places: {{one net: {{net: "1"}}}}
    contestants: {{a: {{estimator: a}}, b: {{estimator: b}}, c: {{estimator: c}}}}
""")
    page = publish(tmp_path).read_text()
    first, others = ("(+0 -2)", "(+1 -0)") if lower else ("(+2 -0)", "(+0 -1)")
    assert f"| a | 0.900 {first} |" in page
    assert f"| b | 0.500 {others} |" in page
    assert f"| c | 0.501 {others} |" in page
    (tmp_path / "study.yaml").write_text(
        (tmp_path / "study.yaml").read_text().replace('net: "1"', 'net: "2"')
    )
    with pytest.raises(ValueError, match="one net has 0 contestants"):
        publish(tmp_path)
