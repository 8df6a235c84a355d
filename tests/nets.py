"""Plain modules with binary layers, as a user would write them."""

import torch
from torch import nn

import bnrun


class MLP(nn.Module):
    """The net of model=mlp, in plain PyTorch."""

    def __init__(self, shape, outputs, hidden=(6, 5)):
        super().__init__()
        width, layers = torch.Size(shape).numel(), [nn.Flatten()]
        for units in hidden:
            layers += [nn.Linear(width, units), bnrun.Binary()]
            width = units
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, x):
        return self.layers(x)


class Residual(nn.Module):
    """Skips cross both binary layers; batch norm before and behind them."""

    def __init__(self, shape, outputs, width=3, norm=True, dropout=0.0):
        super().__init__()
        inputs = torch.Size(shape).numel()
        self.first, self.second = nn.Linear(inputs, width), nn.Linear(width, width)
        self.norm1 = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.norm2 = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.bits1, self.bits2 = bnrun.Binary(), bnrun.Binary()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        h = self.norm1(self.first(x.flatten(1)))
        h = h.tanh() + self.second(self.bits1(2 * h))
        h = h.tanh() + self.bits2(self.norm2(h))
        return self.head(self.dropout(h))


class Recurrent(nn.Module):
    """Reads an image row by row; one binary layer, used once per row."""

    def __init__(self, shape, outputs, units=2, rows=4):
        super().__init__()
        self.step = nn.Linear(shape[-1] + units, units)
        self.bits, self.units, self.rows = bnrun.Binary(), units, rows
        self.head = nn.Linear(units, outputs)

    def forward(self, x):
        h = x.new_zeros(len(x), self.units)
        for row in x.flatten(1, 2).unbind(1)[: self.rows]:
            h = self.bits(3 * self.step(torch.cat([row, h], -1)))
        return self.head(h)


class Convolutional(nn.Module):
    """Convolutions with bits between them, batch norm, and a buffer that is assigned to."""

    def __init__(self, outputs, channels=3):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm, self.bits = nn.BatchNorm2d(channels), bnrun.Binary()
        self.end = nn.Sequential(bnrun.Binary(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, outputs)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.calls = self.calls + 1
        h = self.bits(self.norm(self.first(x)))
        return self.head(self.end(h + self.second(h)))


class BinaryWeights(nn.Module):
    """Weights of -1 and +1 around units, the second ones with a scale."""

    def __init__(self, shape, outputs, units=2, inputs=2):
        super().__init__()
        self.inputs = inputs
        self.weight1 = nn.Parameter(torch.randn(units, inputs))
        self.weight2 = nn.Parameter(torch.randn(outputs, units))
        self.bits, self.weights1 = bnrun.Binary(), bnrun.Binary(shared=True, signed=True)
        self.weights2 = bnrun.Binary(shared=True, signed=True)

    def forward(self, x):
        x = x.flatten(1)[:, 20 : 20 + self.inputs]
        h = self.bits(x @ self.weights1(self.weight1).T)
        return 0.5 * h @ self.weights2(self.weight2).T
