"""Estimates for modules with skips, recurrences and branches, against enumeration by hand."""

import copy
import itertools

import pytest
import torch
from all_estimators import SAMPLING, build_of
from all_estimators import UNBIASED as UNBIASED_AND_EXACT
from torch import nn

import bnrun
from bnrun.core.chain import nest
from bnrun.core.neurons import SBN
from bnrun.core.sites import Site


class Residual(nn.Module):
    """Three sites, each crossed by a skip; the last one's skip comes from before the first."""

    inputs = (4,)

    def __init__(self, site):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2)
        self.bits1, self.bits2, self.bits3 = site(), site(), site()
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        h = self.first(x)
        h = h.tanh() + self.second(self.bits1(h))
        h = h.tanh() + self.bits2(2 * h)
        h = self.third(h)
        return self.head(self.bits3(3 * h) + h.tanh() + x[:, :2])


class Recurrent(nn.Module):
    """One site, used in four steps."""

    inputs = (4, 3)

    def __init__(self, site):
        super().__init__()
        self.step, self.bits, self.head = nn.Linear(5, 2), site(), nn.Linear(2, 2)

    def forward(self, x):
        h = x.new_zeros(len(x), 2)
        for t in range(4):
            h = self.bits(2 * self.step(torch.cat([x[:, t], h], -1)))
        return self.head(h)


class UNet(nn.Module):
    """Sites of three shapes, one of them behind a branch that skips the narrow one."""

    inputs = (1, 4, 4)

    def __init__(self, site):
        super().__init__()
        self.down1 = nn.Conv2d(1, 1, 2, stride=2)
        self.down2 = nn.Conv2d(1, 2, 2)
        self.up = nn.ConvTranspose2d(2, 1, 2)
        self.bits1, self.bits2, self.bits3 = site(), site(), site()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        wide = self.bits1(2 * self.down1(x))
        narrow = self.bits2(2 * self.down2(wide))
        merged = self.up(narrow) + wide.square() * 0.5 + self.down1(x).tanh()
        return self.head(self.bits3(2 * merged).flatten(1))


NETS = {"residual": Residual, "recurrent": Recurrent, "u-net": UNet}


def loss(outputs, targets):
    return (outputs - targets).square().sum(-1) + outputs.tanh().prod(-1)


def built(kind, site):
    torch.manual_seed(0)
    net = NETS[kind](site).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2.5)
    return net, torch.randn(1, *net.inputs).double(), torch.randn(1, 2).double()


class Given(nn.Module):
    """Returns the bits that it is given, and multiplies up their probability."""

    def forward(self, x):
        bits = self.shared.bits.pop(0).to(x).reshape(x.shape)
        p = torch.sigmoid(x)
        self.shared.probability = self.shared.probability * torch.where(bits > 0, p, 1 - p).prod()
        return bits


UNITS = {"residual": [3, 3, 2], "recurrent": [2] * 4, "u-net": [4, 2, 4]}


def enumerated(kind):
    """Mean loss and gradient of the parameters, summed over all patterns of all sites."""

    class Shared:
        bits: list
        probability: torch.Tensor

    def site():
        given = Given()
        given.shared = Shared
        return given

    net, x, y = built(kind, site)
    total = torch.zeros((), dtype=torch.float64)
    for pattern in itertools.product([0.0, 1.0], repeat=sum(UNITS[kind])):
        Shared.bits = list(torch.tensor(pattern).split(UNITS[kind]))
        Shared.probability = torch.ones((), dtype=torch.float64)
        value = loss(net(x), y)[0]
        total = total + Shared.probability * value
    return total.detach(), torch.cat(
        [g.flatten() for g in torch.autograd.grad(total, list(net.parameters()))]
    )


EXACT = {}


def truth(kind):
    if kind not in EXACT:
        EXACT[kind] = enumerated(kind)
    return EXACT[kind]


def sites(name):
    """Makes sites with random numbers of their own, which draw none of torch's."""
    seeds = itertools.count(1)
    return lambda: bnrun.Binary(name, seed=next(seeds))


def gradient(net, x, y, draws, noise=None):
    rows = [part.expand(draws, *part.shape[1:]) for part in (x, y)]
    value = bnrun.estimate(net, rows[0], loss, rows[1], noise=noise).mean()
    found = torch.autograd.grad(value, list(net.parameters()), materialize_grads=True)
    return value.detach(), torch.cat([g.flatten() for g in found])


@pytest.mark.parametrize("kind", NETS)
def test_exact_on_sites_is_enumeration_by_hand(kind):
    value, found = gradient(*built(kind, sites("exact")), draws=1)
    assert value == pytest.approx(truth(kind)[0].item(), rel=1e-9)
    assert torch.allclose(found, truth(kind)[1], rtol=1e-9, atol=1e-9)


UNBIASED = [name for name in UNBIASED_AND_EXACT if name != "exact"]
CHUNKS = 40
ROWS = {"local_expectation": 180, "rloo": 100, "arms": 100, "relax": 250, "arm": 1500}
ROWS |= {"rodeo": 300, "bitflip": 2000}
"""Draws of a chunk: enough that a factor wrong by 5 % would show."""


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", UNBIASED)
def test_an_unbiased_estimator_on_sites_agrees_with_enumeration(kind, name):
    net, x, y = built(kind, sites(name))
    rows = ROWS.get(name, 4000 if name.startswith("reinforce") else 600)
    noise = bnrun.Noise([5])
    draws = [gradient(net, x, y, rows, noise) for _ in range(CHUNKS)]
    for place, exact in enumerate(truth(kind)):
        values = torch.stack([draw[place].reshape(-1) for draw in draws])
        error = values.std(0) / CHUNKS**0.5 + 1e-9
        z = (values.mean(0) - exact.reshape(-1)) / error
        assert z.abs().max() < 4.9, z
        scale = (values * exact.reshape(-1)).sum(-1) / exact.square().sum()
        spread = scale.std() / CHUNKS**0.5
        assert abs(scale.mean() - 1) < 4 * spread + 1e-9
        assert spread < 0.012


ACTIVATIONS = ["st", "sigmoid_st", "reinmax", "gumbel_sigmoid", "st_gumbel", "clipped_st"]


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_function_runs_the_module_once(kind, name):
    net, x, y = built(kind, sites(name))
    calls = []
    net.register_forward_pre_hook(lambda *_: calls.append(1))
    state = copy.deepcopy(net.state_dict())
    first = gradient(net, x, y, 5)[1]
    assert len(calls) == 1
    net.load_state_dict(state)
    for module in net.modules():
        if isinstance(module, Site):
            module.noise_state[1] = 0
    rows = [part.expand(5, *part.shape[1:]) for part in (x, y)]
    value = loss(net(rows[0]), rows[1]).mean()
    again = torch.autograd.grad(value, list(net.parameters()), materialize_grads=True)
    # Plain forward passes with the same random numbers have the same gradient.
    assert torch.allclose(first, torch.cat([g.flatten() for g in again]), rtol=1e-9, atol=1e-12)


# vimco is for a single layer.
@pytest.mark.parametrize("name", sorted({*SAMPLING} - {"vimco"}))
def test_on_a_chain_sites_have_the_estimate_of_the_chain(name):
    torch.manual_seed(0)
    layers = [nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(2, 2)]
    chain = nn.Sequential(*layers).double()
    first, second = (bnrun.Binary(name, seed=1) for _ in range(2))
    net = nn.Sequential(layers[0], first, layers[1], second, layers[2])
    x, y = torch.randn(7, 4).double(), torch.randn(7, 2).double()
    estimators = [build_of(name)(SBN()) for _ in range(2)]

    def end(fired):
        outputs = layers[2](fired[-1].activations)
        return (outputs - y).square().sum(-1) + outputs.tanh().prod(-1)

    nested = nest(layers[:2], estimators, end, bnrun.Noise([3]))(x.unsqueeze(0)).squeeze(0)
    folded = bnrun.estimate(net, x, loss, y, noise=bnrun.Noise([3]))
    assert torch.allclose(folded, nested, rtol=1e-9)
    for one, other in zip(
        torch.autograd.grad(folded.sum(), list(chain.parameters())),
        torch.autograd.grad(nested.sum(), list(chain.parameters())),
        strict=True,
    ):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-12)


COUNTED = {"disarm": 2, "reinforce": 1, "rloo": 4, "rebar": 3}


def test_a_module_runs_at_most_evaluations_and_sites_times():
    for name in COUNTED:
        net, x, y = built("residual", sites("st"))
        net.bits2 = bnrun.Binary(name)
        calls = []
        net.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        gradient(net, x, y, 3)
        assert len(calls) <= COUNTED[name] + 3, name


def test_sites_may_have_different_estimators_and_mixtures():
    net, x, y = built("residual", sites("disarm"))
    net.bits1, net.bits2 = bnrun.Binary("exact"), bnrun.Binary("mixture")
    net.bits2.estimator = bnrun.load_estimator("mixture")
    _, found = gradient(net, x, y, 4)
    assert found.isfinite().all()
    exact = [bnrun.Binary("exact") for _ in range(3)]
    net.bits1, net.bits2, net.bits3 = exact
    assert torch.allclose(gradient(net, x, y, 1)[1], truth("residual")[1], rtol=1e-9, atol=1e-9)
