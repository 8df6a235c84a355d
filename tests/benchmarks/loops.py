"""Usual training loops: one seed, torch.nn, with a DataLoader or with data in memory."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from stopwatch import Contender
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from workload import BATCH, RATE

from bnrun.data.base import Split


class Bits(torch.autograd.Function):
    """Bits of sigmoid(logits), with the derivative of the sigmoid."""

    @staticmethod
    def forward(ctx, logits: Tensor) -> Tensor:
        probability = torch.sigmoid(logits)
        ctx.save_for_backward(probability)
        return (torch.rand_like(probability) < probability).to(logits.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (probability,) = ctx.saved_tensors
        return gradient * probability * (1 - probability)


class Fire(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        return Bits.apply(logits)


def plain_mlp(widths: Sequence[int]) -> nn.Module:
    """Linear layers with bits between them."""
    parts: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        parts += [nn.Linear(inputs, outputs), Fire()]
    return nn.Sequential(*parts[:-1])


def plain_cnn() -> nn.Module:
    """The same net as configs/model/cnn.yaml, for 28 x 28 images."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.MaxPool2d(2),
        nn.LayerNorm([16, 14, 14]),
        Fire(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.MaxPool2d(2),
        nn.LayerNorm([32, 7, 7]),
        nn.Flatten(),
        Fire(),
        nn.Linear(32 * 7 * 7, 128),
        nn.LayerNorm(128),
        Fire(),
        nn.Linear(128, 10),
    )


def data_loader(net: nn.Module, split: Split) -> Contender:
    """(a) DataLoader and Adam with default settings."""
    loader = DataLoader(TensorDataset(*split), batch_size=BATCH, shuffle=True, drop_last=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)

    def batches() -> Iterator[list[Tensor]]:
        while True:
            yield from loader

    return Contender("(a) DataLoader loop", 1, _steps(net, optimizer, batches()))


def in_memory(net: nn.Module, split: Split) -> Contender:
    """(b) Data in memory and fused Adam."""
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    inputs, targets = split

    def batches() -> Iterator[list[Tensor]]:
        while True:
            order = torch.randperm(len(targets), device=targets.device)
            for rows in order[: len(order) // BATCH * BATCH].split(BATCH):
                yield [inputs.index_select(0, rows), targets.index_select(0, rows)]

    return Contender("(b) data in memory, fused Adam", 1, _steps(net, optimizer, batches()))


def several(name: str, contenders: Sequence[Contender]) -> Contender:
    """Several nets trained one after another."""

    def advance(steps: int) -> None:
        for contender in contenders:
            contender.advance(steps)

    return Contender(name, len(contenders), advance)


def _steps(net: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator[list[Tensor]]):
    def advance(steps: int) -> None:
        for _ in range(steps):
            inputs, targets = next(batches)
            loss = F.cross_entropy(net(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return advance
