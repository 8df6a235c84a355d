"""Plain PyTorch nets with `bnrun.Binary`, against the same nets with a hand-written function."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from loops import Fire
from ours import contender, training
from stopwatch import Contender
from torch import Tensor, nn
from workload import BATCH, RATE

import bnrun
from bnrun.core.modules import Modules
from bnrun.data.base import Data, Split

WIDTH = 16
NewBits = Callable[[], nn.Module]


class Block(nn.Module):
    """Two convolutions with batch norm and bits, and a real-valued skip around them."""

    def __init__(self, inputs: int, outputs: int, stride: int, bits: NewBits, last: NewBits):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.bits = nn.ModuleList([bits(), last()])
        self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.bits[0](self.norms[0](self.first(x)))
        return self.bits[1](self.norms[1](self.second(hidden))) + self.skip(x)


def resnet(bits: NewBits, last: NewBits | None = None) -> nn.Module:
    """Three blocks for grey images of 28 x 28; `last` makes the last of the six binary layers."""
    return nn.Sequential(
        nn.Conv2d(1, WIDTH, 3, padding=1),
        Block(WIDTH, WIDTH, 1, bits, bits),
        Block(WIDTH, 2 * WIDTH, 2, bits, bits),
        Block(2 * WIDTH, 4 * WIDTH, 2, bits, last or bits),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * WIDTH, 10),
    )


def mlp(bits: NewBits) -> nn.Module:
    """784-200-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 200), bits(), nn.Linear(200, 10))


def straight_through() -> nn.Module:
    return bnrun.Binary("sigmoid_st", seed=0)


def disarm() -> nn.Module:
    return bnrun.Binary("disarm", seed=0)


def layer_pairs(split: Split) -> Iterator[tuple[str, Contender, Contender]]:
    """Name of a net; steps with `bnrun.Binary`; those with the function that people copy."""
    for name, net in (("residual net", resnet), ("784-200-10", mlp)):
        yield (
            name,
            _steps("bnrun.Binary", net(straight_through), split),
            _steps("hand-written function", net(Fire), split),
        )


def estimate_pairs(split: Split) -> Iterator[tuple[str, Contender, Contender]]:
    """Name of a net; forward and backward of `bnrun.estimate` with DisARM; two plain ones."""
    images, targets = split.inputs[:BATCH], split.targets[:BATCH]

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(outputs, labels, reduction="none")

    def with_estimate(net: nn.Module) -> Contender:
        def advance(steps: int) -> None:
            for _ in range(steps):
                bnrun.estimate(net, images, loss, targets).mean().backward()

        return Contender("estimate, disarm", 1, advance)

    def two_passes(net: nn.Module) -> Contender:
        def advance(steps: int) -> None:
            for _ in range(2 * steps):
                F.cross_entropy(net(images), targets).backward()

        return Contender("two plain passes", 1, advance)

    nets = (
        ("residual net, last layer", resnet(straight_through, last=disarm), resnet(Fire)),
        ("784-200-10", mlp(disarm), mlp(Fire)),
    )
    for name, ours, plain in nets:
        yield name, with_estimate(ours), two_passes(plain)


@dataclass(frozen=True)
class Plain:
    """One of these nets as a model of bnrun's own loop, as model=module makes it."""

    make: Callable[[], nn.Module]

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Modules:
        return Modules(self.make, shape, outputs, seeds)


def module_pairs(data: Data, seeds: Sequence[int]) -> Iterator[tuple[str, Contender, Contender]]:
    """Name of a net; steps of bnrun with R of them; those of one in a plain loop."""
    for name, net in (("residual net", resnet), ("784-200-10", mlp)):
        make = partial(net, straight_through)
        for count in seeds:
            plain = _steps("loop with bnrun.Binary", make(), data.train)
            run = training(data, count, Plain(make))
            yield f"{name}, R = {count}", contender("model=module", run), plain


def _steps(name: str, net: nn.Module, split: Split) -> Contender:
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    inputs, targets = split

    def advance(steps: int) -> None:
        for _ in range(steps):
            rows = torch.randint(len(targets), (BATCH,))
            loss = F.cross_entropy(net(inputs.index_select(0, rows)), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return Contender(name, 1, advance)
