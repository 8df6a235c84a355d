"""Every recipe that offers budgets runs at the smallest, on tiny data."""

import json

import pytest

from bnrun.config.compose import composed
from bnrun.config.paths import CONFIGS

# What a recipe needs to run without its data.
DATA = {
    "belief_net": ["dataset=digits", "task.binarization=threshold"],
    "bengio2013": ["dataset=digits"],
    "binary_codes": ["dataset=digits"],
    "binary_net": ["dataset=digits"],
    "binarygan": ["dataset=digits", "model=generator_mlp"],
    "equal_compute": [],
    "gradient_study": [],
    "hinton": ["dataset=digits"],
    "logic_gates": ["dataset=digits"],
    "quality": [],
    "r2rt": ["dataset=digits"],
    "resnet": ["dataset=digits"],
    "structured": ["dataset=digits", "task.binarization=threshold"],
    "toy": [],
    "vae_disarm": ["dataset=digits"],
    "vae_gumbel_rao": ["dataset=digits", "task.binarization=threshold"],
    "why_st": [],
}


def recipes():
    return sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))


BUDGETED = [name for name in recipes() if composed([f"experiment={name}"]).budgets]


def test_every_recipe_but_the_fair_comparison_offers_the_three_budgets():
    assert set(recipes()) - set(BUDGETED) == {"fair"}
    for name in BUDGETED:
        config = composed([f"experiment={name}"])
        assert list(config.budgets) == ["smoke", "short", "full"]
        assert config.budget in config.budgets
        assert config.name == name


@pytest.mark.parametrize("name", BUDGETED)
def test_recipe_runs_at_the_smallest_budget(name, tmp_path, command):
    status, _, err = command("-m", f"experiment={name}", "budget=smoke", *DATA[name])
    assert status == 0, err
    results = list((tmp_path / "outputs" / name).glob("*/result.json"))
    assert results
    for path in results:
        assert json.loads(path.read_text())["diverged"] == {}
