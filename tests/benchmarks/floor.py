"""(e) Lower bound: only the matrix products and convolutions of a step."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from stopwatch import Contender
from workload import BATCH, layers

from bnrun.kernels.narrow import NARROW


def products(widths: Sequence[int], seeds: int, device: str = "cpu") -> Contender:
    """Forward, weight gradient and (except in the first layer) input gradient of each layer."""
    jobs = []
    for number, (inputs, outputs) in enumerate(layers(widths)):
        x = torch.randn(seeds, BATCH, inputs, device=device)
        weight = torch.randn(seeds, inputs, outputs, device=device)
        error = torch.randn(seeds, BATCH, outputs, device=device)
        forward, backward = ((x, weight), (x.mT, error))
        if outputs < NARROW and device == "cpu":
            forward, backward = ((weight.mT, x.mT), (error.mT, x))
        pairs = [forward, backward] + ([(error, weight.mT)] if number else [])
        jobs += [(a, b, torch.bmm(a, b)) for a, b in pairs]

    def advance(steps: int) -> None:
        for _ in range(steps):
            for a, b, out in jobs:
                torch.bmm(a, b, out=out)

    return Contender("(e) floor: the matrix products", seeds, advance)


class Convolution(NamedTuple):
    """A convolution of images [B, inputs, side, side], padded by half of its kernel."""

    inputs: int
    outputs: int
    side: int
    kernel: int = 3
    stride: int = 1


CNN = (Convolution(1, 16, 28), Convolution(16, 32, 14))
CNN_DENSE = (32 * 7 * 7, 128, 10)
RESNET = (
    Convolution(1, 16, 28),
    *[Convolution(16, 16, 28)] * 2,
    *(Convolution(16, 32, 28, stride=2), Convolution(16, 32, 14, kernel=1)),
    Convolution(32, 32, 14),
    *(Convolution(32, 64, 14, stride=2), Convolution(32, 64, 7, kernel=1)),
    Convolution(64, 64, 7),
)


def convolutions(layers: Sequence[Convolution], dense: Sequence[int], seeds: int) -> Contender:
    """Convolutions, one per seed, with both of their gradients; and the products of dense layers.

    Without the gradients for the inputs of the first convolution and the first dense layer.
    """
    tasks = [_convolution(layer, number > 0) for number, layer in enumerate(layers)]
    after = products(dense, seeds)

    def advance(steps: int) -> None:
        for _ in range(steps):
            for task in tasks:
                for _ in range(seeds):
                    task()
            after.advance(1)

    return Contender("(e) floor: convolutions and products", seeds, advance)


def _convolution(layer: Convolution, inner: bool) -> Callable[[], None]:
    padding, stride = [layer.kernel // 2] * 2, [layer.stride] * 2
    x = torch.randn(BATCH, layer.inputs, layer.side, layer.side)
    weight = torch.randn(layer.outputs, layer.inputs, layer.kernel, layer.kernel)
    error = torch.randn_like(torch.conv2d(x, weight, None, stride, padding))
    rest = (None, stride, padding, [1, 1], False, [0, 0], 1, [inner, True, False])

    def work() -> None:
        torch.conv2d(x, weight, None, stride, padding)
        torch.ops.aten.convolution_backward(error, x, weight, *rest)

    return work
