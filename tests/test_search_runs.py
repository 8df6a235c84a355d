"""A search with real runs: pruned, killed and resumed, and what it prints."""

import math
import re

import pytest
import yaml

import bnrun
from bnrun.config.errors import UserError
from bnrun.config.settings import Limits
from bnrun.recording.result import RESULT
from bnrun.run.keeper import Keeper
from bnrun.run.limits import is_beyond
from bnrun.sweep.search import Search


@pytest.mark.parametrize(
    ("values", "larger", "beyond"),
    [
        ([0.5, 0.7], True, False),  # a mean of the limit itself is not beyond it
        ([0.5, 0.69], True, True),
        ([0.5, 0.71], False, True),
        ([0.9, math.nan], True, True),
    ],
)
def test_a_run_is_beyond_its_limits_if_its_mean_is_worse_or_a_seed_diverged(values, larger, beyond):
    limits = Limits(tag="t", larger_is_better=larger, at={20: 0.6})
    assert is_beyond(limits, 20, {"t": values}) == beyond
    assert not is_beyond(limits, 19, {"t": values})
    assert not is_beyond(limits, 20, {"other": values})


SEARCH = (
    *("hydra.sweeper.search=optuna", "hydra.sweeper.trials=9", "hydra.sweeper.prune=true"),
    *("hydra.sweeper.sampler=random", "optimizer.lr=tag(log,interval(1e-4,1))"),
    *(
        "model.hidden=[6]",
        "trainer.steps=12",
        "trainer.batch_size=20",
        "trainer.evaluate_every=0.05",
    ),
    *(
        "trainer.evaluate_examples=100",
        "trainer.final_examples=100",
        "trainer.samples=1",
        "seeds=2",
    ),
    "trainer.final_samples=1",
)


def histories(study):
    runs = [folder for folder in study.iterdir() if (folder / "metrics.csv").exists()]
    return {run.name: (run / "metrics.csv").read_bytes() for run in runs}


def test_a_pruned_search_that_is_killed_resumes_with_the_same_runs_and_never_looks_at_test_scores(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    whole = bnrun.sweep(*SEARCH, "name=whole")
    folders = histories(tmp_path / "outputs" / "whole")
    assert 5 <= len(whole) < len(folders) == 9  # the first five are never pruned
    limits = [
        yaml.safe_load((folder / ".hydra" / "config.yaml").read_text())["sweep"]["limits"]
        for folder in (tmp_path / "outputs" / "whole").glob("sbn-*")
    ]
    assert {limit["tag"] for limit in limits if limit} == {"accuracy/validation/sampled"}

    genuine, steps = Keeper.after_step, []

    def crash(keeper):
        genuine(keeper)
        steps.append(keeper.training.step)
        if len(steps) == 80:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "after_step", crash)
        with pytest.raises(KeyboardInterrupt):
            bnrun.sweep(*SEARCH, "name=killed")
    resumed = bnrun.sweep(*SEARCH, "name=killed")
    assert histories(tmp_path / "outputs" / "killed") == folders
    assert [run.folder.name for run in resumed] == [run.folder.name for run in whole]


def test_runs_with_fresh_seeds_have_no_limits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    never = "sweep.limits={tag:accuracy/validation/sampled,larger_is_better:true,at:{6:0.0}}"
    monkeypatch.setattr(Search, "_limits", lambda self: [never])
    runs = bnrun.sweep(*SEARCH, "hydra.sweeper.trials=2", "sweep.fresh_seeds=2")
    limits = [run.result["config"]["sweep"]["limits"] for run in runs]
    assert len(runs) == 3
    assert all(limits[:2])
    assert runs[2].result["seeds"] == [2, 3]
    assert limits[2] is None


def test_a_run_without_its_limits_resumes_where_it_was_pruned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [word for word in SEARCH if not word.startswith(("hydra", "optimizer"))]
    limits = "sweep.limits={tag:accuracy/validation/sampled,larger_is_better:true,at:{6:1.1}}"
    with pytest.raises(UserError, match="limits=null"):
        bnrun.run(*words, limits)
    (folder,) = (tmp_path / "outputs" / "default").iterdir()
    assert not (folder / RESULT).exists()
    assert (folder / "metrics.csv").read_text().splitlines()[-1].startswith("6,")
    assert bnrun.run(*words).result["steps"] == 12


def test_a_search_prints_a_line_for_each_trial_that_ends_and_one_summary(
    tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    words = ["hydra.sweeper.prune=false", "trainer.steps=2", "hydra.sweeper.sampler=tpe"]
    bnrun.sweep(*SEARCH, *words, "hydra.sweeper.trials=2")
    bnrun.sweep(*SEARCH, *words, "hydra.sweeper.trials=3")
    text = capfd.readouterr().err
    line = r"^trial (\d of \d) done: .*lr=\S+ \(validation accuracy sampled \S+\)$"
    assert re.findall(line, text, re.MULTILINE) == ["1 of 2", "2 of 2", "3 of 3"]
    assert re.findall(r"^search of .*", text, re.MULTILINE) == [
        "search of 2 trials: 2 done",
        "search of 3 trials: 1 done, 2 done before",
    ]
    assert len(re.findall("best", text)) == 2
