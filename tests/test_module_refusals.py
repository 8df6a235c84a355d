"""Plain modules that cannot be trained are refused in one sentence."""

import pytest
import torch
from torch import nn
from trained_modules import module

import bnrun
from bnrun.core.errors import UserError
from bnrun.core.modules import Modules
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise


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
