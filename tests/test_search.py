"""A search with Optuna: its trials are jobs, and the same command resumes it."""

import math
import re
import sys
from dataclasses import dataclass
from statistics import median

import optuna
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from sweeps import Fated, sweeping

import bnrun
from bnrun.config.errors import UserError
from bnrun.config.settings import Limits
from bnrun.recording.result import RESULT, read_result, write_result
from bnrun.run.keeper import Keeper
from bnrun.run.limits import is_beyond
from bnrun.sweep.expansion import settings
from bnrun.sweep.options import SearchOptions
from bnrun.sweep.search import Search
from bnrun.sweep.space import distribution, word


def override(text):
    return OverridesParser.create().parse_override(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=interval(0.1,2)", optuna.distributions.FloatDistribution(0.1, 2.0)),
        ("a=tag(log,interval(1e-3,1))", optuna.distributions.FloatDistribution(1e-3, 1, log=True)),
        ("a=int(interval(1,9))", optuna.distributions.IntDistribution(1, 9)),
        ("a=tag(log,int(interval(1,9)))", optuna.distributions.IntDistribution(1, 9, log=True)),
        ("a=range(2,9,3)", optuna.distributions.IntDistribution(2, 8, step=3)),
        ("a=range(0.5,3)", optuna.distributions.CategoricalDistribution(["0.5", "1.5", "2.5"])),
        ("a=choice(st,[1,2])", optuna.distributions.CategoricalDistribution(["st", "[1,2]"])),
    ],
)
def test_hydras_words_for_a_range_are_optunas_distributions(text, expected):
    assert distribution(override(text)) == expected


@pytest.mark.parametrize(
    "text", ["a=interval(2,1)", "a=tag(log,interval(0.0,1))", "a=tag(log,interval(-1,1))"]
)
def test_an_empty_range_and_one_without_a_logarithm_are_refused_in_a_sentence(text):
    with pytest.raises(UserError, match=re.escape(text)):
        distribution(override(text))


@pytest.mark.parametrize(
    "text",
    [
        "a=tag(log,range(1,9))",
        "a=tag(log,choice(1,9))",
        "a=tag(lgo,interval(0.1,1))",
        "a=tag(log,x,interval(0.1,1))",
    ],
)
def test_a_tag_that_a_search_would_not_heed_is_refused(text):
    with pytest.raises(UserError, match=re.escape(f"{text}: the only tag of a search is log")):
        distribution(override(text))


def test_a_value_is_rounded_for_the_name_of_its_run_but_stays_inside_its_range():
    rates = optuna.distributions.FloatDistribution(0.123456, 0.2)
    assert word("a", 0.1876543, rates) == "a=0.1877"
    assert word("a", 0.123457, optuna.distributions.FloatDistribution(0.123456, 0.12347)) == (
        "a=0.12347"
    )
    assert word("a", 3, optuna.distributions.IntDistribution(1, 9)) == "a=3"


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


def test_ranges_without_a_search_and_a_search_without_ranges_are_refused(tmp_path):
    with (
        pytest.raises(UserError, match="search=optuna"),
        sweeping(["seeds=interval(1,3)"]),
    ):
        pass
    with sweeping([]) as (sweep, *_), pytest.raises(UserError, match="nothing to search"):
        settings(["estimator=st"], sweep.configs, OverridesParser.create())


def test_without_optuna_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "bnrun.sweep.search", raising=False)
    monkeypatch.delitem(sys.modules, "bnrun.sweep.space")
    with pytest.raises(UserError, match=r"optuna is not installed: pip install .bnrun\[optuna\]"):
        searched(tmp_path)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"trials": 0}, "hydra.sweeper.trials=0"),
        ({"seed": -1}, "hydra.sweeper.seed=-1"),
        ({"sampler": "grid"}, "hydra.sweeper.sampler=grid"),
        ({"prune": "yes"}, "hydra.sweeper.prune=yes"),
    ],
)
def test_wrong_options_are_refused_with_key_and_value(options, text):
    with pytest.raises(UserError, match=text):
        SearchOptions(**({"trials": 3, "sampler": "tpe", "seed": 0, "prune": False} | options))


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


def test_a_search_of_one_trial_speaks_of_one_trial(tmp_path):
    _, text, _ = searched(tmp_path, trials=1)
    assert "search of 1 trial: 1 done\n" in text
    assert "best on validation of 1 trial: optimizer.lr=" in text


def test_a_stopped_search_says_how_far_it_came(tmp_path):
    text = searched(tmp_path, trials=40, dies_after=27, sampler="tpe", stopped=True)
    assert text.splitlines()[-1] == (
        "search stopped: 27 of 40 trials ended; run the same command again to resume"
    )
