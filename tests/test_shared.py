"""Sites whose bits serve the whole batch, against enumeration and against nesting by hand."""

import itertools

import numpy as np
import pytest
import torch
from all_estimators import SAMPLING, build_of
from configured import built as built_run
from torch import nn

import bnrun
from bnrun.core.neurons import SBN
from bnrun.core.site_noise import SiteNoise, as_noise
from bnrun.estimators.base import ActivationEstimator, Progress

NAMES = [name for name in SAMPLING if name != "vimco"]


class Weights(nn.Module):
    """Bits as weights, and nothing else: 4 of them."""

    units = ((4, True),)

    def __init__(self, site):
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.randn(2, 2)), nn.Parameter(torch.randn(2))
        self.bits = site(True)

    def forward(self, x):
        return (x @ self.bits(self.weight).T).tanh() * self.scale


class Both(nn.Module):
    """A unit site, and only then the weights behind it; a skip crosses both."""

    units = ((2, False), (4, True))

    def __init__(self, site):
        super().__init__()
        self.weight, self.first = nn.Parameter(torch.randn(2, 2)), nn.Linear(2, 2)
        self.bits, self.weight_bits = site(False), site(True)

    def forward(self, x):
        h = self.bits(2 * self.first(x))
        return (h @ self.weight_bits(self.weight).T + 0.3 * self.first(x)).sin()


class Two(nn.Module):
    """Two shared sites, the logits of one from the bits of the other; a unit site between them."""

    units = ((2, True), (2, False), (4, True))

    def __init__(self, site):
        super().__init__()
        self.weight1, self.weight2 = nn.Parameter(torch.randn(2)), nn.Parameter(torch.randn(2, 2))
        self.bits1, self.bits, self.bits2 = site(True), site(False), site(True)

    def forward(self, x):
        w1 = self.bits1(self.weight1)
        h = self.bits(2 * x * (w1 + 0.5))
        return (h @ self.bits2(self.weight2 * (w1 + 0.3)).T).sin() + h


NETS = {"weights": Weights, "both": Both, "two": Two}


def loss(outputs, targets):
    return (outputs - targets).square().sum(-1) + outputs.prod(-1)


def built(kind, site):
    torch.manual_seed(0)
    return NETS[kind](site).double(), torch.randn(3, 2).double(), torch.randn(3, 2).double()


def binary(first, second=None):
    seeds = itertools.count(1)
    return lambda shared: bnrun.Binary(
        first if shared or second is None else second, seed=next(seeds), shared=shared
    )


def gradient(net, value):
    found = torch.autograd.grad(value, list(net.parameters()), materialize_grads=True)
    return torch.cat([part.flatten() for part in found])


class Given(nn.Module):
    """Returns the bits that it is given, and multiplies up the probability of each row."""

    def __init__(self, world, shared):
        super().__init__()
        self.world, self.shared = world, shared

    def forward(self, x):
        bits, p = self.world["bits"].pop(0), torch.sigmoid(x)
        bits = bits.reshape(x.shape) if self.shared else bits.expand(x.shape)
        chance = torch.where(bits > 0, p, 1 - p)
        chance = chance.prod() if self.shared else chance.prod(-1)
        self.world["probability"] = self.world["probability"] * chance
        return bits


def truth(kind):
    """The mean loss and its gradient, summed over all patterns of all sites."""
    world = {}
    net, x, y = built(kind, lambda shared: Given(world, shared))
    sizes = [units for units, _ in net.units]
    total = torch.zeros(3, dtype=torch.float64)
    for pattern in itertools.product([0.0, 1.0], repeat=sum(sizes)):
        world["bits"] = list(torch.tensor(pattern, dtype=torch.float64).split(sizes))
        world["probability"] = torch.ones(3, dtype=torch.float64)
        values = loss(net(x), y)
        total = total + world["probability"] * values
    return total.mean().detach(), gradient(net, total.mean())


@pytest.mark.parametrize("kind", NETS)
def test_exact_on_shared_sites_is_enumeration_by_hand(kind):
    net, x, y = built(kind, binary("exact"))
    losses = bnrun.estimate(net, x, loss, y)
    value, expected = truth(kind)
    # Every example has the mean of the batch.
    assert torch.allclose(losses, value.expand(3), rtol=1e-9)
    assert torch.allclose(gradient(net, losses.mean()), expected, rtol=1e-9, atol=1e-9)


def nested(net, names, x, y):
    """The same estimate, by estimators that call each other: shared sites first."""
    calls = [itertools.count() for _ in names]
    estimators = [build_of(name)(SBN()) for name in names]

    def call(number, logits, downstream):
        # An estimator may call its downstream, and so the estimator there, several times.
        noise = SiteNoise(torch.tensor([number + 1, next(calls[number])]))
        return estimators[number](logits, downstream, as_noise(noise))

    def mean(outputs):
        return loss(outputs, y).mean(-1, keepdim=True)

    def weights(bits):  # [*S, 1, 1, 4] -> [*S, 1, 2, 2]
        return bits.unflatten(-1, (2, 2)).squeeze(-3)

    row = x.unsqueeze(0)
    if isinstance(net, Weights):
        return call(
            0,
            net.weight.reshape(1, 1, 4),
            lambda w: mean((row @ weights(w).mT).tanh() * net.scale),
        )
    if isinstance(net, Both):
        h = net.first(row)

        def behind(w):
            logits = (2 * h).expand(*w.shape[:-3], *h.shape)
            losses = call(0, logits, lambda b: loss((b @ weights(w).mT + 0.3 * h).sin(), y))
            return losses.mean(-1, keepdim=True)

        return call(1, net.weight.reshape(1, 1, 4), behind)

    def second(w1):  # [*S, 1, 1, 2]
        def third(w2):
            logits = (2 * row * (w1 + 0.5)).expand(*w2.shape[:-2], 3, 2)
            losses = call(1, logits, lambda b: loss((b @ weights(w2).mT).sin() + b, y))
            return losses.mean(-1, keepdim=True)

        scaled = net.weight2 * (w1 + 0.3)  # [*S, 1, 2, 2]
        return call(2, scaled.flatten(-2).unsqueeze(-2), third)

    return call(0, net.weight1.reshape(1, 1, 2), second)


PAIRS = [(name, name) for name in NAMES]
PAIRS += [("disarm", "rloo"), ("st", "disarm"), ("rloo", "exact"), ("sigmoid_st", "exact")]


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_an_estimate_is_that_of_estimators_nested_by_hand(kind, first, second):
    net, x, y = built(kind, binary(first, second))
    names = [first if shared else second for _, shared in net.units]
    expected = nested(net, names, x, y).squeeze()
    losses = bnrun.estimate(net, x, loss, y)
    assert torch.allclose(losses.mean(), expected.mean(), rtol=1e-9)
    assert torch.allclose(
        gradient(net, losses.mean()), gradient(net, expected.mean()), rtol=1e-9, atol=1e-9
    )


START = {name: build_of(name)(SBN()).at(Progress(0, 0)) for name in NAMES}
LOSS = [name for name in NAMES if not isinstance(START[name], ActivationEstimator)]


@pytest.mark.parametrize("first", LOSS)
def test_units_that_are_an_activation_function_fire_once_for_all_samples_of_the_weights(first):
    net, x, y = built("both", binary(first, "reinmax"))
    h = net.first(x.unsqueeze(0))
    calls = itertools.count()

    def call(name, seed, number, logits, downstream):
        noise = as_noise(SiteNoise(torch.tensor([seed, number])))
        return build_of(name)(SBN())(logits, downstream, noise)

    def behind(bits):
        def ended(w):
            weights = w.unflatten(-1, (2, 2)).squeeze(-3)
            return loss((bits @ weights.mT + 0.3 * h).sin(), y).mean(-1, keepdim=True)

        losses = call(first, 2, next(calls), net.weight.reshape(1, 1, 4), ended)
        return losses.expand(1, 3)

    expected = call("reinmax", 1, 0, 2 * h, behind)
    losses = bnrun.estimate(net, x, loss, y)
    assert torch.allclose(losses, expected.squeeze(0), rtol=1e-9)
    assert torch.allclose(
        gradient(net, losses.mean()), gradient(net, expected.mean()), rtol=1e-9, atol=1e-9
    )


class Normed(nn.Module):
    """Batch norm behind units and behind weights."""

    def __init__(self, first, second):
        super().__init__()
        self.before, self.behind = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
        self.units, self.bits = bnrun.Binary(first), bnrun.Binary(second, shared=True)
        self.weight = nn.Parameter(torch.randn(2, 2))

    def forward(self, x):
        return self.behind(self.units(self.before(x)) @ self.bits(self.weight).T)


@pytest.mark.parametrize(("first", "second"), [("disarm", "st"), ("st", "disarm"), ("exact",) * 2])
def test_running_statistics_are_of_passes_with_real_bits(first, second):
    net, x = Normed(first, second), torch.randn(20, 2)
    seen = []
    net.units.register_forward_hook(lambda *parts: seen.append(parts[-1]))
    bnrun.estimate(net, x, lambda outputs: outputs.sum(-1)).mean().backward()
    assert net.before.num_batches_tracked == net.behind.num_batches_tracked == 1
    assert torch.allclose(net.before.running_mean, 0.1 * x.mean(0), atol=1e-6)


def test_weights_that_depend_on_units_are_refused():
    class Dependent(nn.Module):
        def __init__(self):
            super().__init__()
            self.units, self.bits = bnrun.Binary("disarm"), bnrun.Binary("disarm", shared=True)
            self.weight = nn.Parameter(torch.randn(2))

        def forward(self, x):
            return self.units(x + self.weight) * self.bits(self.units(x + self.weight).mean(0))

    with pytest.raises(bnrun.UserError, match="depends on another layer's bits"):
        bnrun.estimate(Dependent(), torch.randn(5, 2), lambda outputs: outputs.sum(-1))


def test_a_bound_of_several_samples_is_refused():
    net = built("weights", binary("vimco"))[0]
    with pytest.raises(ValueError, match="not shared by the batch"):
        bnrun.estimate(net, torch.randn(3, 2).double(), lambda outputs: outputs.sum(-1))


def test_weights_that_are_not_marked_as_shared_are_refused():
    net = nn.Sequential(nn.Linear(3, 2))
    nn.utils.parametrize.register_parametrization(
        net[0], "weight", bnrun.Binary("disarm"), unsafe=True
    )
    with pytest.raises(ValueError, match="shared=True, if its bits serve the whole batch"):
        bnrun.estimate(net, torch.randn(5, 3), lambda outputs: outputs.sum(-1))
    net, bits = nn.Sequential(nn.Linear(3, 2)), bnrun.Binary("disarm", signed=True, shared=True)
    nn.utils.parametrize.register_parametrization(net[0], "weight", bits, unsafe=True)
    bnrun.estimate(net, torch.randn(5, 3), lambda outputs: outputs.sum(-1)).mean().backward()
    assert net[0].parametrizations.weight.original.grad.abs().sum() > 0


# In the runner.

SMALL = ["trainer.batch_size=20", "trainer.log_every=1", "dtype=float64", "trainer.steps=4"]
SMALL += ["model=module", "model.target=nets.BinaryWeights", "trainer.samples=3"]
SMALL += ["trainer.evaluate_examples=30", "trainer.final_examples=30"]


@pytest.mark.parametrize("name", ["sigmoid_st", "disarm", "rloo", "rebar", "relax"])
def test_a_seed_is_trained_as_it_is_alone(name):
    words = [*SMALL, f"estimator={name}"]
    both, alone = built_run([*words, "seeds=[3,7]"]), built_run([*words, "seeds=[7]"])
    for one, other in zip(both.run(), alone.run(), strict=True):
        for tag, values in one.scalars.items():
            if not tag.startswith("schedule"):
                torch.testing.assert_close(
                    values[1:], other.scalars[tag], rtol=1e-9, atol=1e-12, equal_nan=True, msg=tag
                )
    for one, other in zip(both.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(one[1:], other, rtol=1e-9, atol=1e-12)


def test_weights_are_signed_and_units_are_as_the_neuron_says():
    run = built_run([*SMALL, "seeds=[3,7]"])
    assert run.model.shared == (True, False, True)
    assert run.model.signed == (True, None, True)
    assert [estimator.neuron.signed for estimator in run.estimators] == [True, False, True]
    records = list(run.run())
    tags = {tag for record in records for tag in record.scalars}
    assert {"units/layer1/entropy", "units/layer2/dead", "gradient/logits/layer3"} <= tags
    assert "units/layer1/dead" not in tags
    words = ["estimator=schedule", "+estimator@layers.3=mixture", "+neuron@layers.3.neuron=sbn"]
    run = built_run([*SMALL, *words])
    assert run.estimators[0].second.neuron.signed
    assert run.estimators[2].first.neuron.signed
    assert not run.estimators[1].neuron.signed


def test_every_sample_of_an_evaluation_has_its_own_weights():
    model = built_run([*SMALL, "seeds=[3]"]).model
    inputs = torch.rand(1, 5, 1, 8, 8, dtype=torch.float64)
    neurons = [SBN(signed=True), SBN(), SBN(signed=True)]
    fired = model.passes(inputs)(neurons, [n.sampled for n in neurons], bnrun.Noise([3]), 40)
    assert fired[0].activations.shape == (40, 1, 1, 4)
    assert fired[1].activations.shape == (40, 1, 5, 2)
    assert fired.outputs.shape == (40, 1, 5, 10)
    assert set(fired[0].activations.flatten().tolist()) == {-1, 1}
    assert 0.05 < fired[0].activations.var(0).mean() < 1.1
    for sample in range(40):
        weights = fired[2].activations[sample].reshape(10, 2)
        expected = 0.5 * fired[1].activations[sample, 0] @ weights.T
        torch.testing.assert_close(fired.outputs[sample, 0], expected, rtol=1e-9, atol=1e-9)


def test_measured_gradients_of_shared_bits_agree_with_the_exact_ones(tmp_path):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(60, 22))
    np.savez(tmp_path / "two.npz", train_inputs=inputs, train_targets=np.arange(60) % 2)
    words = ["dataset=file", f"dataset.path={tmp_path / 'two.npz'}", "trainer.steps=1"]
    words += ["gradients.every=1", "gradients.draws=100", "gradients.examples=3", "seeds=[3]"]
    words += ["gradients.estimators=[disarm,exact,st]", "+model.args.units=1"]
    run = built_run([*SMALL, *words])
    assert run.model.units == (2, 1, 2)
    first = next(iter(run.measured()))
    values = {tag.removeprefix("gradients/"): float(value) for tag, value in first.items()}
    assert values["exact/total/variance"] < 1e-20
    assert values["exact/total/bias"] < 1e-9
    assert values["disarm/total/bias_z"] < 5
    assert values["disarm/evaluations"] == 8
    assert values["in_use/total/cosine"] > 0
    assert values["disarm/layer1/norm"] > 0
    assert "disarm/layer2/estimator_noise" in values
    assert not [tag for tag in values if "layer1" in tag and "noise" in tag and "signal" not in tag]
