"""Plain modules in the runner: R of them, with all that bnrun's own nets have."""

import copy
import itertools
import random

import numpy as np
import pytest
import torch
from all_estimators import SAMPLING
from configured import built
from same import same
from torch import nn

import bnrun
from bnrun.core.errors import UserError
from bnrun.core.modules import Modules
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.measurement.probe import Probe

SMALL = ["trainer.batch_size=20", "trainer.log_every=1", "dtype=float64", "trainer.steps=20"]


def module(net, *words, seeds="[3,7]"):
    """A training of one of the modules in nets.py."""
    target = ["model=module", f"model.target=nets.{net}"]
    return built([*target, f"seeds={seeds}", *SMALL, *words])


def chain(*words, hidden="[6,5]"):
    return built(["model=mlp", f"model.hidden={hidden}", "seeds=[3,7]", *SMALL, *words])


def records(run):
    return [(record.step, record.scalars) for record in run.run()]


def pairs_of_weights(own, plain):
    """Weights of model=mlp and of nets.MLP that stand for each other, in the former's layout."""
    layers = [own.model.stages[0][-1], own.model.stages[1][-1], own.model.head[-1]]
    for number, layer in enumerate(layers):
        weight, bias = (
            plain.model.get_parameter(f"layers.{2 * number + 1}.{name}")
            for name in ("weight", "bias")
        )
        yield layer.weight, weight.transpose(1, 2)
        yield layer.bias, bias.unsqueeze(1)


def with_equal_weights(*words):
    own, plain = chain(*words), module("MLP", *words)
    with torch.no_grad():
        for one, other in pairs_of_weights(own, plain):
            other.copy_(one)
    return own, plain


@pytest.mark.parametrize(
    "name", ["sigmoid_st", "reinmax", "st_gumbel", "disarm", "rloo", "rebar", "relax", "mixture"]
)
def test_a_plain_mlp_is_trained_as_the_chain_is(name):
    own, plain = with_equal_weights(f"estimator={name}", "optimizer=adam")
    for one, other in zip(own.run(), plain.run(), strict=True):
        assert one.step == other.step
        for tag in one.scalars:
            if not tag.startswith("gradient/parameter"):
                torch.testing.assert_close(
                    one.scalars[tag], other.scalars[tag], rtol=1e-7, atol=1e-9, msg=tag
                )
    for one, other in pairs_of_weights(own, plain):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


NEURONS = [
    *(["neuron=sbn", "neuron.signed=true", f"estimator={name}"] for name in ("st", "disarm")),
    ["neuron=dbn", "estimator=st"],
    ["neuron=real", "estimator=backprop"],
    ["neuron=sts", "estimator=backprop"],
    ["+estimator@layers.2=disarm", "+neuron@layers.2.neuron=sbn"],
]


@pytest.mark.parametrize("words", NEURONS, ids=" ".join)
def test_neurons_and_layers_are_those_of_the_config(words):
    own, plain = with_equal_weights(*words)
    for (_, one), (_, other) in zip(records(own), records(plain), strict=True):
        for tag in ("loss/train", "gradient/logits/layer2", "units/layer2/firing_rate"):
            if tag in one:
                torch.testing.assert_close(one[tag], other[tag], rtol=1e-7, atol=1e-9)
    assert type(plain.estimators[1]) is type(own.estimators[1])


@pytest.mark.parametrize("net", ["MLP", "Residual", "Recurrent", "Convolutional"])
@pytest.mark.parametrize("name", ["sigmoid_st", "disarm", "relax"])
def test_a_seed_is_trained_as_it_is_alone(net, name):
    words = [f"estimator={name}", "trainer.steps=6"]
    both, alone = module(net, *words), module(net, *words, seeds="[7]")
    for (_, one), (_, other) in zip(records(both), records(alone), strict=True):
        for tag in one:
            if not tag.startswith("schedule"):  # A mean over seeds.
                torch.testing.assert_close(one[tag][1:], other[tag], rtol=1e-9, atol=1e-12, msg=tag)
    for (key, one), other in zip(
        both.model.state_dict().items(), alone.model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(one[1:], other, rtol=1e-9, atol=1e-12, msg=key)
        assert not torch.equal(one[0], one[1]) or key.endswith(("calls", "num_batches_tracked"))


def test_seeds_decide_the_initial_weights_whatever_the_estimator():
    first, second = module("Residual"), module("Residual", "estimator=disarm", seeds="[9,3]")
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one[0], other[1])
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    module("Residual")
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tolist())


def test_numbers_of_python_and_numpy_follow_the_seed_as_well():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([random.random(), np.random.rand()]))
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), bnrun.Binary())

        def forward(self, x):
            return self.layers(x) * self.scale.sum()

    first, second = (Modules(Scaled, (1, 8, 8), 10, seeds) for seeds in ([3, 7], [7]))
    assert torch.equal(first.get_parameter("scale")[1], second.get_parameter("scale")[0])
    assert len(first.get_parameter("scale").unique()) == 4


# Batch norm.


def plain(run, replica=0):
    """One of the modules, outside of the run."""
    net = type(run.model._nets[replica])((1, 8, 8), 10).double()
    values = {name: value[replica] for name, value in run.model.state_dict().items()}
    assert not net.load_state_dict(values, strict=False).unexpected_keys
    return net


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


def test_a_seed_that_diverges_does_not_touch_the_others():
    whole, broken = module("Residual", "estimator=disarm"), module("Residual", "estimator=disarm")
    for step in range(4):
        if step == 2:
            with torch.no_grad():
                broken.model.get_parameter("first.weight")[0] = torch.nan
        for run in (whole, broken):
            run.update(run.current_estimators())
    assert broken.diverged_steps() == {"3": 2}
    for (name, one), (_, other) in zip(
        whole.model.state_dict().items(), broken.model.state_dict().items(), strict=True
    ):
        assert torch.equal(one[1], other[1]), name


# What does not fit.


class Shared(nn.Module):
    weight = nn.Linear(64, 10)

    def __init__(self):
        super().__init__()
        self.layer, self.bits = self.weight, bnrun.Binary()

    def forward(self, x):
        return self.layer(self.bits(x.flatten(1)))


class Moody(nn.Module):
    """Uses its bits once more in training."""

    def __init__(self):
        super().__init__()
        self.layer, self.bits = nn.Linear(64, 10), bnrun.Binary()

    def forward(self, x):
        y = self.bits(self.layer(x.flatten(1)))
        return self.bits(y) if self.training else y


class Swapped(nn.Module):
    """Uses its layers in another order in training."""

    def __init__(self):
        super().__init__()
        self.layer, self.bits = nn.Linear(64, 10), nn.ModuleList([bnrun.Binary(), bnrun.Binary()])

    def forward(self, x):
        first, second = self.bits[::-1] if self.training else self.bits
        return second(self.layer(x.flatten(1)) + first(x.flatten(1))[:, :10])


def mlp(*end):
    return lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 4), bnrun.Binary(), *end)


REFUSED = {
    "shared between seeds": Shared,
    r"4 values per example, but the task and the dataset need 10": mlp(),
    r"uses no bnrun\.Binary layer": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
    r"returned tuple for two examples": lambda: nn.Sequential(mlp()(), nn.RNN(4, 10)),
    r"returned \[8\] for two examples": mlp(nn.Flatten(0)),
    r"batch axis first": lambda: nn.Sequential(nn.Flatten(0), bnrun.Binary()),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_module_that_does_not_fit_is_refused(sentence):
    with pytest.raises(UserError, match=sentence):
        Modules(REFUSED[sentence], (1, 8, 8), 10, [3, 7])


@pytest.mark.parametrize("kind", [Moody, Swapped])
def test_a_module_whose_uses_change_is_refused(kind):
    model = Modules(kind, (1, 8, 8), 10, [3, 7])
    forward = model.passes(torch.zeros(2, 3, 1, 8, 8))
    with pytest.raises(UserError, match="in another way than the first one"):
        forward([SBN()] * 2, [SBN().sampled] * 2, Noise([3, 7]))
    with model.evaluating():
        assert forward([SBN()] * 2, [SBN().sampled] * 2, Noise([3, 7])).outputs.shape == (2, 3, 10)


def test_a_layer_used_so_often_that_no_memory_holds_the_estimates_is_refused():
    words = ["estimator=rloo", "estimator.samples=1024", "model.args.rows=4", "model.args.units=1"]
    run = module("Recurrent", *words)
    with pytest.raises(UserError, match=r"2 uses .* the loss 1,048,576 times .* like reinmax"):
        run.rehearse()


def test_dropout_is_refused():
    with pytest.raises(ValueError, match="Dropout"):
        module("Residual", "model.args.dropout=0.5").rehearse()


def test_tied_frozen_and_recurrent_weights_are_those_of_the_net():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.down = nn.Linear(8, 8), nn.Linear(8, 8)
            self.down.weight = self.up.weight
            self.up.bias.requires_grad_(False)
            self.rows, self.bits = nn.GRU(8, 8, batch_first=True), bnrun.Binary()
            self.head = nn.LazyLinear(10)

        def forward(self, x):
            states, _ = self.rows(self.up(x.squeeze(1)))
            return self.head(self.down(self.bits(states[:, -1])))

    model = Modules(Tied, (1, 8, 8), 10, [3, 7])
    assert "down.weight" not in dict(model.named_parameters())
    assert not model.get_parameter("up.bias").requires_grad
    inputs = torch.rand(2, 5, 1, 8, 8)
    nets = []
    for replica in range(2):
        net = Tied()
        net(inputs[replica])
        values = {name: value[replica] for name, value in model.state_dict().items()}
        values["down.weight"] = values["up.weight"]
        assert not net.load_state_dict(values, strict=False).unexpected_keys
        nets.append(net.eval())
    forward = model.passes(inputs)
    done = forward([SBN()], [SBN().thresholded], Noise([3, 7]))
    expected = torch.stack([net(one) for net, one in zip(nets, inputs, strict=True)])
    torch.testing.assert_close(done.outputs, expected)
    done.outputs.square().sum().backward()
    expected.square().sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not name.startswith(("rows", "up")):  # before the bits
            gradients = [net.get_parameter(name).grad for net in nets]
            torch.testing.assert_close(parameter.grad, torch.stack(gradients))
