"""The figures of the studies are drawn from raw results, with all contestants."""

import csv
import itertools
from pathlib import Path

import equal_compute_figure
import quality_figure
import why_st_figure
from results_recipe import read_recipe

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def facts(seed: int, split: str, **changed: object) -> dict[str, object]:
    row = {"seed": seed, "split": split, "measured": "", "steps": 500, "seconds": 1}
    return row | {"diverged": "", "commit": "abc", "machine": "cpu"} | changed


def test_the_figure_of_why_st_has_every_contestant(tmp_path: Path) -> None:
    recipe = RESULTS / "why_st.yaml"
    (tmp_path / recipe.name).write_text(recipe.read_text())
    spec, rows = read_recipe(recipe).contrasts[0], []
    contestants = spec.contestants.values()
    for place, settings, seed in itertools.product(spec.places, contestants, (0, 1)):
        for split, rate in itertools.product(("validation", "test"), ("0.1", "0.4")):
            settings = {"estimator.direction": "–", **settings}
            row = {**place, **settings, "optimizer.lr": rate, **facts(seed, split)}
            rows.append(row | {"accuracy/sampled": 0.5 + 0.1 * seed})
    write(tmp_path / "why_st.csv", rows)
    why_st_figure.main(tmp_path)
    drawn = (tmp_path / "why_st-rates.svg").read_text()
    titles = [f"{place['dataset']}, {place['model.hidden']}" for place in spec.places]
    for text in (*spec.contestants, *titles):
        assert f"<!-- {text} -->" in drawn


def test_the_figure_of_quality_has_every_net_and_predictor(tmp_path: Path) -> None:
    recipe = RESULTS / "quality.yaml"
    (tmp_path / recipe.name).write_text(recipe.read_text())
    spec, rows = read_recipe(recipe).agreements[0], []
    for net, seed in itertools.product(spec.nets, (0, 1)):
        for number, name in enumerate(spec.estimators):
            trained = {"model.hidden": net, "estimator": name, "optimizer.lr": "0.2"}
            nothing = dict.fromkeys(spec.predictors, "")
            for split in ("validation", "test"):
                row = trained | {"gradients.every": "null"} | facts(seed, split) | nothing
                rows.append(row | {"accuracy/sampled": number + seed})
            for step in spec.times:
                measured = trained | {"estimator": "sigmoid_st", "gradients.every": "10"}
                row = measured | facts(seed, "gradients", measured=name, steps=step)
                rows.append(row | dict.fromkeys(spec.predictors, number) | {"accuracy/sampled": ""})
    write(tmp_path / "quality.csv", rows)
    quality_figure.main(tmp_path)
    drawn = (tmp_path / "quality-agreement.svg").read_text()
    for title, when in itertools.product(spec.predictors.values(), spec.times.values()):
        assert f"<!-- {title}, {when} -->" in drawn
    for net in spec.nets:
        assert f"<!-- {net}, tau 1.00 -->" in drawn


def test_the_figure_of_equal_compute_has_every_place_and_contestant(tmp_path: Path) -> None:
    recipe = RESULTS / "equal_compute.yaml"
    (tmp_path / recipe.name).write_text(recipe.read_text())
    rows = []
    tables = read_recipe(recipe).standings
    settings = {
        name for t in tables for w in (*t.places.values(), *t.contestants.values()) for name in w
    }
    for spec in tables:
        for place, where in itertools.product(spec.places.values(), spec.contestants.values()):
            for seed in (3, 4):
                row = dict.fromkeys(sorted(settings), "–") | place | where | facts(seed, "test")
                rows.append(row | dict.fromkeys([t.score for t in tables], 0.5 + 0.1 * seed))
    write(tmp_path / "equal_compute.csv", rows)
    equal_compute_figure.main(tmp_path)
    drawn = (tmp_path / "equal_compute-time.svg").read_text()
    for spec in tables:
        for text in (*spec.places, *spec.contestants):
            assert f"<!-- {text} -->" in drawn
