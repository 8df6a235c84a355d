"""A search with Optuna: its trials are jobs, and the same command resumes it."""

import math
import re
import sys
from dataclasses import dataclass
from statistics import median

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from sweeps import Fated, sweeping

from bnrun.config.errors import UserError
from bnrun.recording.result import RESULT, read_result, write_result
from bnrun.sweep.expansion import settings
from bnrun.sweep.options import SearchOptions


@dataclass
class Scored(Fated):
    """A launcher whose jobs have a score that is best at a learning rate of 0.3.

    dies_after  number of jobs after which the sweep is interrupted; None for never
    """

    dies_after: int | None = None

    def one(self, words):
        if self.dies_after == len(self.launched):
            raise KeyboardInterrupt
        config, folder, _ = self.configs(words)
        answer = super().one(words)
        result = read_result(folder / RESULT)
        score = -abs(math.log(config["optimizer"]["lr"] / 0.3))
        result["scores"]["validation"] = {"accuracy": {"sampled": [score, score]}}
        result["way"] = "sampled"
        write_result(folder, result)
        return answer


def searched(output, *words, dies_after=None, estimators="st", stopped=False, **options):
    """How a search ends: the learning rates of its trials, what it prints, number of launches.

    stopped  only what it prints, if it dies
    """
    words = [
        *(f"estimator={estimators}", "optimizer.lr=tag(log,interval(1e-3,10))"),
        *("seeds=2", *words),
    ]
    options = {"trials": 40, "sampler": "random", "seed": 0, "prune": False} | options
    with sweeping([w for w in words if "(" not in w], output=output) as (sweep, *_, text):
        sweep.launcher = Scored(sweep.configs, ["done"], dies_after=dies_after)
        loader = GlobalHydra.instance().config_loader()
        parser = OverridesParser.create(config_loader=loader)
        chosen = settings([f"output={output}", *words], sweep.configs, parser)
        try:
            outcomes = sweep.search(chosen, SearchOptions(**options))
        except KeyboardInterrupt:
            return text.getvalue() if stopped else None
        rates = [outcome.job.config["optimizer"]["lr"] for outcome in outcomes]
        return rates, text.getvalue(), len(sweep.launcher.launched)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_killed_search_of_40_trials_resumes_with_the_same_trials_and_ends_with_the_same_best(
    sampler, tmp_path
):
    whole = searched(tmp_path / "whole", sampler=sampler)
    assert searched(tmp_path / "killed", sampler=sampler, dies_after=27) is None
    rates, text, launches = searched(tmp_path / "killed", sampler=sampler)
    assert rates == whole[0]
    assert len(rates) == whole[2] == 40
    assert launches == 40 - 27
    best = re.findall(r"best on validation of 40 trials: (optimizer.lr=\S+)", text)
    assert best == re.findall(r"best on validation of 40 trials: (optimizer.lr=\S+)", whole[1])
    assert len(best) == 1


def test_every_setting_has_the_same_random_trials_and_the_range_is_covered(tmp_path):
    rates, _, _ = searched(tmp_path, estimators="st,reinmax", trials=15)
    assert rates[:15] == rates[15:]
    assert min(rates) < 0.01
    assert max(rates) > 1


def test_tpe_comes_nearer_to_the_best_than_its_first_random_trials(tmp_path):
    rates, _, _ = searched(tmp_path, sampler="tpe", trials=25)
    distances = [abs(math.log(rate / 0.3)) for rate in rates]
    assert min(distances[10:]) < min(distances[:10])
    assert median(distances[10:]) < median(distances[:10])


def test_the_best_of_every_search_gets_the_same_fresh_seeds(tmp_path):
    rates, text, launches = searched(
        tmp_path, "sweep.fresh_seeds=5", estimators="st,reinmax", trials=4
    )
    assert launches == 2 * 4 + 2
    assert rates[-1] == rates[-2]
    assert rates[-1] == min(rates[:4], key=lambda rate: abs(math.log(rate / 0.3)))
    assert re.findall(r"^(?:search|sweep) of (.*)$", text, re.MULTILINE) == [
        "8 trials: 8 done",
        "2 jobs: 2 done",
    ]


def test_without_optuna_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "bnrun.sweep.search", raising=False)
    monkeypatch.delitem(sys.modules, "bnrun.sweep.space")
    with pytest.raises(UserError, match=r"optuna is not installed: pip install .bnrun\[optuna\]"):
        searched(tmp_path)


def test_a_search_of_one_trial_speaks_of_one_trial(tmp_path):
    _, text, _ = searched(tmp_path, trials=1)
    assert "search of 1 trial: 1 done\n" in text
    assert "best on validation of 1 trial: optimizer.lr=" in text


def test_a_stopped_search_says_how_far_it_came(tmp_path):
    text = searched(tmp_path, trials=40, dies_after=27, sampler="tpe", stopped=True)
    assert text.splitlines()[-1] == (
        "search stopped: 27 of 40 trials ended; run the same command again to resume"
    )
