"""Ranges of a search: Hydra's words for Optuna's distributions, and what is refused."""

import re

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from sweeps import sweeping

from bnrun.config.errors import UserError
from bnrun.sweep.expansion import settings
from bnrun.sweep.options import SearchOptions
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


def test_ranges_without_a_search_and_a_search_without_ranges_are_refused(tmp_path):
    with (
        pytest.raises(UserError, match="search=optuna"),
        sweeping(["seeds=interval(1,3)"]),
    ):
        pass
    with sweeping([]) as (sweep, *_), pytest.raises(UserError, match="nothing to search"):
        settings(["estimator=st"], sweep.configs, OverridesParser.create())


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
