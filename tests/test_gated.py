"""Conditional computation: the share that is computed, and its cost."""

import math

import pytest
import torch
from configured import built

from bnrun.core.network import Fired
from bnrun.core.noise import Noise

SMALL = ["task=gated", "model=gated", "model.hidden=40", "model.gater=6", "dtype=float64"]


def training(*words):
    return built([*SMALL, "seeds=[3,7]", *words])


def fired(run, seed=0):
    """A pass over a batch with sampled gates."""
    batch = run.batches.at(0)
    neurons = [estimator.firing_neuron for estimator in run.estimators]
    sampled = [neuron.sampled for neuron in neurons]
    return batch, run.model.passes(batch.inputs)(neurons, sampled, Noise([seed, seed + 1]))


def test_units_behind_a_closed_gate_need_not_be_computed():
    run = training("model.open=0.3")
    batch, layers = fired(run)
    with torch.no_grad():
        said = run.model.outputs(batch.inputs, layers)
        hidden, gates = run.model.main(batch.inputs), layers[0].activations
        weight, bias = run.model.head.weight, run.model.head.bias
        computed = 0
        for r, b in ((0, 0), (0, 17), (1, 49)):
            on = gates[r, b].nonzero().flatten()
            computed += len(on)
            alone = hidden[r, b, on] @ weight[r, on] + bias[r, 0]
            torch.testing.assert_close(said[r, b], alone, rtol=1e-9, atol=1e-12)
        share = run.task.scores(run.model, batch, layers)["computed"]
    counted = sum(share[r, b].item() for r, b in ((0, 0), (0, 17), (1, 49)))
    assert counted * 40 == pytest.approx(computed, 1e-12)


def test_the_gate_rate_reported_is_the_share_computed():
    run = training("model.open=0.3", "model.hidden=400")
    scalars = run.observed()["scalars"]
    for split, examples in (("test", 300), ("validation", 200)):
        rate, computed = (
            scalars[f"{score}/{split}/sampled"] for score in ("gate_rate", "computed")
        )
        error = math.sqrt(0.3 * 0.7 / (400 * examples))
        assert ((rate - computed).abs() < 4 * error).all()
        assert ((rate - 0.3).abs() < 0.05).all()
        # Mean-field gates are never exactly zero.
        assert scalars[f"computed/{split}/mean_field"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("open_share", [0.1, 0.3])
def test_the_cost_is_the_divergence_of_the_share_of_open_gates(open_share):
    run = training("task.sparsity=0.5")
    batch, (layer,) = fired(run)
    logit = math.log(open_share / (1 - open_share))
    flat = Fired(layer.neuron, torch.full_like(layer.logits, logit), layer.activations)
    plain = training("task.sparsity=0").task.loss(run.model, batch, [flat])
    cost = run.task.loss(run.model, batch, [flat]) - plain
    q = open_share
    expected = 0.5 * 40 * (0.1 * math.log(0.1 / q) + 0.9 * math.log(0.9 / (1 - q)))
    torch.testing.assert_close(cost, torch.full_like(cost, expected), rtol=0, atol=1e-9)


def test_every_example_pays_for_its_own_share_of_open_gates():
    run = training("task.sparsity=0.5")
    batch, (layer,) = fired(run)
    share = torch.linspace(0.01, 0.9, 50)  # per example; on average it is not the target of .1
    logits = (share / (1 - share)).log().double().view(1, 50, 1).expand_as(layer.logits)
    own = Fired(layer.neuron, logits, layer.activations)
    plain = training("task.sparsity=0").task.loss(run.model, batch, [own])
    cost = run.task.loss(run.model, batch, [own]) - plain
    for example, q in enumerate(torch.sigmoid(logits[0, :, 0]).tolist()):
        expected = 0.5 * 40 * (0.1 * math.log(0.1 / q) + 0.9 * math.log(0.9 / (1 - q)))
        assert cost[:, example].tolist() == pytest.approx([expected] * 2, abs=1e-9)


def test_the_other_cost_is_the_number_of_open_gates():
    run = training("task.sparsity=0.5", "task.cost=l1")
    batch, layers = fired(run)
    plain = training("task.sparsity=0").task.loss(run.model, batch, layers)
    cost = run.task.loss(run.model, batch, layers) - plain
    torch.testing.assert_close(cost, 0.5 * layers[0].activations.sum(-1), rtol=0, atol=1e-9)


def test_the_cost_brings_the_gates_to_their_rate():
    run = training("task.sparsity=1", "model.open=0.5", "trainer.steps=150", "optimizer.lr=0.3")
    *_, last = run.run()
    assert all(abs(rate - 0.1) < 0.02 for rate in last.scalars["gate_rate/test/sampled"].tolist())


def test_no_unit_has_weights_beyond_the_maximum_norm():
    run = training("task.max_norm=0.4", "trainer.steps=3", "optimizer.lr=2")
    free = training("task.max_norm=null", "trainer.steps=3", "optimizer.lr=2")
    norms = []
    for one in (run, free):
        list(one.run())
        weights = [w for name, w in one.model.named_parameters() if name.endswith("weight")]
        assert len(weights) == 4
        norms.append(torch.cat([weight.norm(dim=1).flatten() for weight in weights]))
    assert norms[0].max() <= 0.4 * (1 + 1e-9)
    assert norms[1].max() > 0.4
