"""A fair comparison: the same search for every estimator, then fresh seeds at its best."""

import json
from pathlib import Path

import pytest

from bnrun.config.compose import composed
from bnrun.report.compare.contest import contests
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate

TINY = ["model.hidden=[6]", "trainer.steps=10", "trainer.evaluate_every=9", "seeds=[3,7]"]
ESTIMATORS = ("st", "sigmoid_st")
SWEEP = ["experiment=fair", f"estimator={','.join(ESTIMATORS)}", "sweep.fresh_seeds=2", *TINY]


@pytest.fixture
def fair(command):
    """A function that does `bnrun` with the experiment: exit status, output and errors."""
    return lambda *words: command(*SWEEP, *words)


def results(folder: Path):
    paths = (folder / "outputs" / "fair").glob("*/result.json")
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def rates(found, seeds):
    """Estimator -> learning rates at which it was trained with these seeds."""
    tried = {}
    for result in found.values():
        if result["seeds"] == seeds:
            config = result["config"]
            tried.setdefault(config["choices"]["estimator"], []).append(config["optimizer"]["lr"])
    return {estimator: sorted(values) for estimator, values in tried.items()}


def test_each_estimator_has_the_same_search_and_fresh_seeds_at_its_best(fair, tmp_path):
    status, _, err = fair("optimizer.lr=1e-6,0.5,1e38")
    assert status == 0
    found = results(tmp_path)
    assert rates(found, [3, 7]) == {e: [1e-6, 0.5, 1e38] for e in ESTIMATORS}
    # The seeds after the largest of the search; 1e-6 learns nothing, 1e38 diverges.
    assert rates(found, [8, 9]) == {e: [0.5] for e in ESTIMATORS}
    assert len(found) == 8
    assert "estimator=sigmoid_st: best on validation of 3 trials: optimizer.lr=0.5" in err
    (contest,) = contests(tabulate(find_runs([tmp_path / "outputs"]).runs))
    assert [sorted(c.values) for c in contest.contestants] == [[8, 9], [8, 9]]
    # All of it is done, the second part too.
    status, _, err = fair("optimizer.lr=1e-6,0.5,1e38")
    assert status == 0
    assert "skipped 6 of 6 jobs, which are done" in err
    assert "skipped 2 of 2 jobs, which are done" in err


def test_the_best_is_chosen_on_validation_though_another_is_better_on_test(fair, tmp_path):
    assert fair("optimizer.lr=0.5,0.6,0.7", "sweep.fresh_seeds=null")[0] == 0
    for path in (tmp_path / "outputs" / "fair").glob("*/result.json"):
        result = json.loads(path.read_text())
        rate = result["config"]["optimizer"]["lr"]
        for split, best in (("validation", 0.6), ("test", 0.7)):
            for way in result["scores"][split]["accuracy"]:
                result["scores"][split]["accuracy"][way] = [0.9 if rate == best else 0.1] * 2
        path.write_text(json.dumps(result))
    assert fair("optimizer.lr=0.5,0.6,0.7")[0] == 0
    assert rates(results(tmp_path), [8, 9]) == {"st": [0.6], "sigmoid_st": [0.6]}


def test_a_best_at_the_edge_of_the_search_is_reported(fair):
    status, _, err = fair("optimizer.lr=1e-6,0.5", "estimator=st")
    assert status == 0
    assert "optimizer.lr=0.5; it has the smallest or largest learning rate tried" in err


def test_an_estimator_that_always_diverges_gets_no_fresh_seeds(fair, tmp_path):
    words = ["neuron=real", "estimator=backprop", "optimizer.lr=1e37,1e38"]
    status, _, err = fair(*words)
    assert status == 0
    assert "every seed diverged in all 2 trials" in err
    assert rates(results(tmp_path), [8, 9]) == {}


def test_a_dry_run_announces_what_comes_after_the_search(fair, tmp_path):
    status, out, err = fair("sweep.dry_run=true")
    assert status == 0
    # Two estimators at the five learning rates of the experiment.
    assert "10 jobs: 10 missing" in out
    assert "2 fresh seeds for the best of each setting" in err
    assert list(tmp_path.iterdir()) == []


def test_the_grid_of_the_experiment_surrounds_the_default_learning_rate():
    config = composed(["experiment=fair"], hydra_node=True)
    grid = [float(word) for word in config.hydra.sweeper.params["optimizer.lr"].split(",")]
    assert min(grid) < config.optimizer.lr < max(grid)
