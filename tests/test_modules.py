"""Plain modules in the runner: R of them, with all that bnrun's own nets have."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from trained_modules import chain, module, records

import bnrun
from bnrun.core.modules import Modules
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise


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
