"""A recipe's budgets, and sweeps of several grids."""

import json

import pytest

RECIPE = """# @package _global_
budget: full
budgets: [smoke, full]
name: recipe
seeds: "${by_budget:1,2}"
hydra:
  mode: MULTIRUN
  sweeper:
    grids:
      - {estimator: "st,sigmoid_st", optimizer.lr: 0.5}
      - {estimator: sigmoid_st, optimizer.lr: "${by_budget:0.5,'0.5,0.25'}"}
      - {estimator: sigmoid_st, optimizer.lr: 0.5}
"""


@pytest.fixture
def recipe(sweep, tmp_path):
    """A function that sweeps the recipe above: exit status, output, errors."""
    folder = tmp_path / "own" / "experiment"
    folder.mkdir(parents=True)

    def swept(text, *words):
        (folder / "mine.yaml").write_text(text)
        return sweep("--config-dir", "own", "experiment=mine", *words)

    return swept


def settings(tmp_path):
    """Estimator, learning rate and seeds of every run that is done."""
    found = []
    for path in (tmp_path / "outputs").glob("*/*/result.json"):
        config = json.loads(path.read_text())["config"]
        seeds = config["seeds"]
        found.append((config["choices"]["estimator"], config["optimizer"]["lr"], seeds))
    return sorted(found)


def test_grids_are_joined_and_a_job_in_two_of_them_is_done_once(recipe, tmp_path):
    # The command line's seeds, in the fixture, take the place of the recipe's.
    assert recipe(RECIPE)[0] == 0
    seeds = [3, 7]
    assert settings(tmp_path) == [
        ("sigmoid_st", 0.25, seeds),
        ("sigmoid_st", 0.5, seeds),
        ("st", 0.5, seeds),
    ]


def test_a_budget_chooses_the_values_in_its_place(recipe, tmp_path):
    assert recipe(RECIPE, "budget=smoke")[0] == 0
    assert {lr for _, lr, _ in settings(tmp_path)} == {0.5}


def test_the_command_line_adds_to_every_grid(recipe, tmp_path):
    assert recipe(RECIPE, "budget=smoke", "optimizer.lr=0.1,0.2")[0] == 0
    assert {lr for _, lr, _ in settings(tmp_path)} == {0.1, 0.2}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["budget=tiny"], "budget=tiny: no such budget, use one of smoke, full"),
        (["budgets=[a,b,c]", "budget=a"], "has 2 values, but there are 3 budgets (a, b, c)"),
    ],
)
def test_a_wrong_budget_is_refused_with_the_choices(recipe, tmp_path, words, said):
    status, _, err = recipe(RECIPE, *words)
    assert status == 1
    assert said in err
    assert "Traceback" not in err
    assert not settings(tmp_path)


def test_a_budget_without_a_recipe_is_refused(sweep, tmp_path):
    status, _, err = sweep("budget=short")
    assert status == 1
    assert "budget=short: nothing in this config depends on a budget" in err
    assert not (tmp_path / "outputs").exists()
