"""A classifier of real images, trained once, whose features and classes judge generated ones."""

from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnrun.data.base import Data, Split

HIDDEN = 128  # units
BATCH = 100
LEARNING_RATE = 2e-3


class Judge(NamedTuple):
    """Pixels [..., U] -> HIDDEN rectified features [..., HIDDEN] -> classes.

    net       from pixels to logits of the classes; features are what its last layer gets
    accuracy  on the test split of the real images
    """

    net: nn.Sequential
    accuracy: float

    @classmethod
    def trained(cls, data: Data, steps: int) -> Self:
        """Train a judge; the same data and steps always give the same one, in any run.

        data   inputs [N, *shape], targets [N] classes
        """
        # torch's layers can only draw from the global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = nn.Sequential(
                nn.Linear(data.train.inputs[0].numel(), HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, data.classes),
            )
        _train(net, data.train, steps)
        with torch.no_grad():
            predicted = net(data.test.inputs.flatten(1)).argmax(-1)
        return cls(net, (predicted == data.test.targets).double().mean().item())

    def features(self, images: Tensor) -> Tensor:
        """Return [..., HIDDEN] for pixels [..., U]."""
        features: Tensor = self.net[:-1](images)
        return features

    def probabilities(self, features: Tensor) -> Tensor:
        """Return the probability of every class, [..., classes], for features [..., HIDDEN]."""
        return torch.softmax(self.net[-1](features), -1)


def _train(net: nn.Module, split: Split, steps: int) -> None:
    """Train by Adam; each pass over the examples takes them in random order."""
    inputs, generator = split.inputs.flatten(1), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, fused=True)
    rows = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(rows) == 0:
            rows = torch.randperm(len(inputs), generator=generator)
        batch, rows = rows[:BATCH], rows[BATCH:]
        optimizer.zero_grad()
        outputs = net(inputs.index_select(0, batch))
        F.cross_entropy(outputs, split.targets.index_select(0, batch)).backward()
        optimizer.step()
    net.requires_grad_(False)
