"""Nets with sites whose bits serve the whole batch, alone and among sites of units."""

import torch
from torch import nn


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
