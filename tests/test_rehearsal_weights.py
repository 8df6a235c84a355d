"""Before step 1: every seed has weights of its own.

Each mistake here would train without an error, and its curves would look plausible.
"""

import pytest
import torch
from rehearsals import CLASSES, IMAGE, SEEDS, UNITS, chain, refusal, run_of
from torch import nn

from bnrun.core.chain import Chain
from bnrun.core.neurons import SBN
from bnrun.core.products import Linear
from bnrun.estimators.antithetic import DisARM
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.tasks.classification import Classification


class Scaled(nn.Module):
    """Multiplies by a parameter that has one value for each seed, but not the seeds as its axis."""

    def __init__(self, units):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 2, units))

    def forward(self, x):
        return x * self.scale


class Mixing(nn.Module):
    """Adds a little of every seed's input to those of the others."""

    def forward(self, x):
        return x + 0.05 * x.mean(-3, keepdim=True)


class Shared(nn.Module):
    """A leading axis of seeds, whose first entry is used by all."""

    def __init__(self, inputs, outputs, seeds):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(len(seeds), inputs, outputs))

    def forward(self, x):
        return x @ self.weight[0]


class Neighbour(Shared):
    """Seeds 1 and 2 have each other's weights, seed 0 its own: no seed can be checked alone."""

    def forward(self, x):
        return x @ self.weight[[0, 2, 1]]


SHARED = {
    "torch's layer at the start": (
        {"first": nn.Linear(IMAGE, UNITS)},
        "parameter stages.0.1.weight is shared between seeds",
    ),
    "torch's layer between": (
        {"second": nn.Linear(UNITS, UNITS)},
        "parameter stages.1.weight is shared between seeds",
    ),
    "torch's layer without bias": (
        {"second": nn.Linear(UNITS, UNITS, bias=False)},
        "parameter stages.1.weight is shared",
    ),
    "torch's layer as head": ({"head": nn.Linear(UNITS, CLASSES)}, "parameter head.weight is"),
    "another number of units": (
        {"first": nn.Sequential(nn.Linear(IMAGE, 5), nn.Linear(5, UNITS))},
        "parameter stages.0.1.0.weight has shape [5, 64], but its first axis must be the 3 seeds",
    ),
    "a scale per unit": (
        {"second": nn.Sequential(Scaled(UNITS), Linear(UNITS, UNITS, SEEDS, "second", "default"))},
        "parameter stages.1.0.scale is shared between seeds",
    ),
    "the first seed's weights": (
        {"first": Shared(IMAGE, UNITS, SEEDS)},
        "parameter stages.0.1.weight is shared between seeds",
    ),
    "another seed's weights": (
        {"second": Neighbour(UNITS, UNITS, SEEDS)},
        "parameter stages.1.weight is shared between seeds",
    ),
    "seeds that are mixed": (
        {"second": nn.Sequential(Mixing(), Linear(UNITS, UNITS, SEEDS, "second", "default"))},
        "parameter stages.0.1.weight is shared between seeds",
    ),
    "torch's norm": (
        {"second": nn.Sequential(nn.LayerNorm(UNITS), Linear(UNITS, UNITS, SEEDS, "s", "default"))},
        "parameter stages.1.0.weight is shared between seeds",
    ),
}


@pytest.mark.parametrize("case", SHARED)
def test_weights_that_seeds_share_are_refused_by_what_they_are(case):
    parts, message = SHARED[case]
    refused = refusal(run_of(chain(**parts)))
    assert message in refused
    assert "use the layers of bnrun.core.products and bnrun.core.layers" in refused


@pytest.mark.parametrize("count", [2, 3, 5, 23, 24, 25, 30, 49])
@pytest.mark.parametrize("pair", ["first", "last", "far"])
def test_any_two_seeds_that_share_weights_are_found(count, pair):
    seeds = list(range(count))
    one, other = {"first": (0, 1), "last": (count - 1, count - 2), "far": (0, count - 1)}[pair]

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = Linear(IMAGE, 4, seeds, "first", "default")

        def forward(self, x):
            y = self.layer(x)
            mixed = y.clone()
            mixed[one] = (x @ self.layer.weight[other])[one]
            return mixed

    stage = nn.Sequential(nn.Flatten(start_dim=-3), Two())
    model = Chain([stage], Linear(4, CLASSES, seeds, "head", "default"), [4])
    run = run_of(model, [SigmoidST(neuron=SBN())], seeds=seeds)
    assert "stages.0.1.layer.weight is shared between seeds" in refusal(run)
    model = Chain(
        [nn.Sequential(nn.Flatten(start_dim=-3), Linear(IMAGE, 4, seeds, "first", "default"))],
        Linear(4, CLASSES, seeds, "head", "default"),
        [4],
    )
    run_of(model, [SigmoidST(neuron=SBN())], seeds=seeds).rehearse()


def test_weights_that_are_not_trained_are_checked_as_well():
    model = chain(second=nn.Linear(UNITS, UNITS).requires_grad_(False))
    run = run_of(model)
    assert "parameter stages.1.weight is shared between seeds" in refusal(run)
    assert not any(weight.requires_grad for weight in model.stages[1].parameters())


def test_weights_are_checked_whatever_the_estimator_differentiates():
    class Guess(Classification):
        def loss(self, model, batch, fired):
            return (model.outputs(batch.inputs, fired).argmax(-1) != batch.targets).float()

    estimators = [DisARM(neuron=SBN())] * 2
    run_of(chain(), estimators, Guess()).rehearse()
    run = run_of(chain(first=nn.Linear(IMAGE, UNITS)), estimators, Guess())
    assert "parameter stages.0.1.weight is shared between seeds" in refusal(run)


def test_memory_that_seeds_share_is_refused():
    layer = Linear(IMAGE, UNITS, SEEDS, "first", "default")
    layer.weight = nn.Parameter(layer.weight[:1].detach().expand(3, -1, -1))
    message = refusal(run_of(chain(first=layer)))
    assert "parameter stages.0.1.weight has the same memory for every seed" in message


def test_the_same_first_weights_for_every_seed_are_refused():
    def copied():
        model = chain()
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(weight[:1].clone().expand_as(weight))
        return model

    message = refusal(run_of(copied()))
    assert "parameter stages.0.1.weight starts with the same values for seeds 3 and 7" in message
    partly = copied()  # A layer may start like that, e.g. as the identity.
    with torch.no_grad():
        partly.head.weight[1] += 1
    run_of(partly).rehearse()
