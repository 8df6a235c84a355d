"""Sites whose bits serve the whole batch, against enumeration and against nesting by hand."""

import itertools

import pytest
import torch
from all_estimators import SAMPLING, build_of
from shared_nets import NETS, Both, Weights, built, loss
from torch import nn

import bnrun
from bnrun.core.neurons import SBN
from bnrun.core.site_noise import SiteNoise, as_noise
from bnrun.estimators.base import ActivationEstimator, Progress

NAMES = [name for name in SAMPLING if name != "vimco"]


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
