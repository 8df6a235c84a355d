"""Gradients of plain modules: batch norm, exact gradients, what a measurement costs."""

import copy
import itertools

import pytest
import torch
from all_estimators import SAMPLING
from same import same
from torch import nn
from trained_modules import chain, module, plain, records

import bnrun
from bnrun.core.modules import Modules
from bnrun.core.noise import Noise
from bnrun.measurement.probe import Probe


@pytest.mark.parametrize("name", ["sigmoid_st", "disarm", "local_expectation", "mixture"])
def test_running_statistics_are_of_the_first_pass_of_a_step(name):
    run = module("Residual", f"estimator={name}", seeds="[3]")
    batch = run.batches.at(0)
    with torch.no_grad():
        logits = plain(run).first(batch.inputs[0].flatten(1))
    run.update(run.current_estimators())
    model = run.model
    assert model.get_buffer("norm1.num_batches_tracked").tolist() == [1]
    assert model.get_buffer("norm2.num_batches_tracked").tolist() == [1]
    torch.testing.assert_close(
        model.get_buffer("norm1.running_mean")[0], 0.1 * logits.mean(0), rtol=1e-9, atol=1e-12
    )


def test_evaluation_uses_running_statistics_and_changes_nothing():
    run = module("Residual", "gradients.every=1", "gradients.draws=4")
    for _ in range(5):
        run.update(run.current_estimators())
    before = copy.deepcopy(run.model.state_dict())
    scores = run.observed()["scalars"]
    list(run.measured())
    assert same(before, run.model.state_dict())
    assert run.model.training
    for replica in range(2):
        net = plain(run, replica).eval()
        with torch.no_grad():
            inputs, targets = run.data.test.spread(run.settings.evaluate_examples)
            accuracy = (net(inputs).argmax(-1) == targets).double().mean()
        assert scores["accuracy/test/thresholded"][replica] == pytest.approx(accuracy.item())


# Gradients.


@pytest.mark.parametrize("net", ["Residual", "Recurrent"])
def test_the_probes_exact_gradient_is_that_of_enumeration_by_hand(net):
    run = module(net, "estimator=exact", "model.args.units=2" if net == "Recurrent" else "seeds=2")
    for _ in range(3):
        run.update(run.current_estimators())
    split = run.data.train.spread(3)
    probe = Probe(run.model, run.task, split, run.seeds, 2**24)
    layers = probe.draw(run.estimators, 1, Noise(run.seeds))
    uses = len(run.model.units)
    for replica in range(2):
        model = plain(run, replica).eval()
        offsets = [torch.zeros(3, u, requires_grad=True) for u in run.model.units]
        total = enumerated(model, split, offsets, run.model.units)
        expected = torch.autograd.grad(total, offsets)
        actual = torch.cat([layer[0, replica] for layer in layers], -1)
        torch.testing.assert_close(actual, torch.cat(expected, -1), rtol=1e-8, atol=1e-10)
    assert len(layers) == len(set(run.model.uses)) <= uses


def test_the_units_of_all_uses_of_a_layer_stand_side_by_side():
    run = module("Recurrent", "estimator=st", "model.args.units=2")
    parts = [torch.full((1, 2), float(use)) for use in range(len(run.model.uses))]
    layers = run.model.by_layer(parts)
    for layer, values in enumerate(layers):
        own = [float(use) for use, used in enumerate(run.model.uses) if used == layer]
        assert values.tolist() == [[use for use in own for _ in range(2)]]
    assert len(layers) < len(parts)


def enumerated(net, split, offsets, units):
    """Sum of the examples' mean losses, over all patterns of all uses."""
    total = 0.0
    for pattern in itertools.product([0.0, 1.0], repeat=sum(units)):
        bits = list(torch.tensor(pattern).split(units))
        chances = [torch.ones(3)]
        place = itertools.count()

        def visit(site, x, bits=bits, chances=chances, place=place):
            use = next(place)
            p = torch.sigmoid(x + offsets[use])
            chances[0] = chances[0] * torch.where(bits[use] > 0, p, 1 - p).prod(-1)
            return bits[use].expand_as(x)

        for part in net.modules():
            if isinstance(part, bnrun.Binary):
                part.visitor = visit
        losses = nn.functional.cross_entropy(net(split.inputs), split.targets, reduction="none")
        total = total + (chances[0] * losses).sum()
    return total


# vimco minimises a bound, which this task has not and measurements have no reference for.
@pytest.mark.parametrize("name", sorted({*SAMPLING} - {"vimco"}))
@pytest.mark.parametrize("net", ["Residual", "Recurrent"])
def test_every_estimator_trains_a_module_and_can_be_measured(net, name):
    few = ["gradients.every=1", "gradients.draws=4", "gradients.examples=2", "trainer.steps=2"]
    run = module(net, f"estimator={name}", *few)
    run.rehearse()
    last = {tag: values for _, scalars in records(run) for tag, values in scalars.items()}
    layers = 1 if net == "Recurrent" else 2
    for layer in range(1, layers + 1):
        assert last[f"units/layer{layer}/firing_rate"].shape == (2,)
        assert last[f"gradients/in_use/layer{layer}/cosine"].isfinite().all()
    assert f"units/layer{layers + 1}/firing_rate" not in last


@pytest.mark.parametrize(("name", "evaluations"), [("st", 1), ("disarm", 4), ("exact", 64)])
def test_evaluations_are_those_of_the_loss(name, evaluations):
    run = module("Residual", f"estimator={name}")
    probe = Probe(run.model, run.task, run.data.train.spread(3), run.seeds, 2**20)
    assert probe.cost(run.current_estimators()).evaluations == evaluations


def test_a_module_runs_once_if_its_estimators_are_activation_functions():
    for name, runs in (("reinmax", 1), ("disarm", 3)):
        run = module("Residual", f"estimator={name}")
        net, calls = run.model._nets[1], []
        net.first.register_forward_hook(lambda *_, calls=calls: calls.append("first"))
        net.head.register_forward_hook(lambda *_, calls=calls: calls.append("head"))
        run.update(run.current_estimators())
        assert calls == ["first"] * runs + ["head"]


def test_draws_are_measured_in_chunks_as_large_as_what_the_module_computes():
    class Narrow(nn.Module):
        """Two bits between wide real-valued layers."""

        def __init__(self):
            super().__init__()
            self.down = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), bnrun.Binary())
            self.up = nn.Sequential(nn.Linear(2, 1000), nn.Tanh(), nn.Linear(1000, 10))

        def forward(self, x):
            return self.up(self.down(x))

    run = chain("estimator=disarm", hidden="[2]")
    model = Modules(Narrow, (1, 8, 8), 10, run.seeds)
    rows = []
    model._nets[0].up.register_forward_hook(lambda part, args, out: rows.append(len(out)))
    probe = Probe(model, run.task, run.data.train.spread(3), run.seeds, memory=2**22)
    (layer,) = probe.draw(run.estimators, 20, Noise(run.seeds))
    assert layer.shape == (20, 2, 3, 2)
    assert 2 * 8 * 1000 * max(rows) * 8 <= 2**22  # seeds, tensors kept, their size, bytes
    assert len(rows) > 4
