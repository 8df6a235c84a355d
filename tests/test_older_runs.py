"""Runs from before a neuron had a noise law are those with logistic noise."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from studies import finish

from bnrun.config.compose import composed, resolved
from bnrun.config.run_id import scientific, scientific_hash
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate

WORDS = [
    [],
    ["estimator=mixture"],
    ["neuron=real", "estimator=backprop"],
    ["+estimator@layers.2=st", "+neuron@layers.2.neuron=dbn", "model.hidden=[3,2]"],
]


def without_noise(node):
    """The config without the law, in every copy of the neuron."""
    if not isinstance(node, dict):
        return node
    return {key: without_noise(value) for key, value in node.items() if key != "noise"}


@pytest.mark.parametrize("words", WORDS)
def test_older_runs_keep_their_names(words):
    config = resolved(composed(words))
    older = without_noise(deepcopy(config))
    assert older != config
    assert scientific(older) == scientific(config)
    assert scientific_hash(older) == scientific_hash(config)
    assert "noise" not in json.dumps(scientific(config))


@pytest.mark.parametrize("neuron", ["sbn", "dbn"])
def test_another_law_has_another_name(neuron):
    plain, normal = (
        resolved(composed([f"neuron={neuron}", "estimator=st", *words]))
        for words in ([], ["neuron.noise=normal"])
    )
    assert scientific_hash(plain) != scientific_hash(normal)


def test_older_runs_are_compared_with_those_of_logistic_noise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, noise in (("older", None), ("plain", "logistic"), ("probit", "normal")):
        path = finish(name, [0.3, 0.4], estimator="reinmax") / "result.json"
        result = json.loads(path.read_text())
        neuron = {"slope": 1.0} | ({} if noise is None else {"noise": noise})
        result["config"] |= {"neuron": neuron, "estimator": {"neuron": neuron}}
        path.write_text(json.dumps(result))
        table = tabulate(find_runs([Path("study")]).runs)
        cells = {c.title: sorted(c.cells) for c in table.settings if "noise" in c.title}
        expected = {"neuron.noise": ["logistic", "logistic", "normal"]} if noise == "normal" else {}
        assert cells == expected
