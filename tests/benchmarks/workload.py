"""Nets and data of MNIST's size."""

from collections.abc import Sequence
from itertools import pairwise

import torch

from bnrun.core.noise import stream
from bnrun.data.base import Data, Split

WIDTHS = (784, 200, 10)
DEEP = (784, 500, 500, 500, 10)
BATCH = 100
RATE = 1e-3
EXAMPLES = 60_000


def mnist_sized(examples: int = EXAMPLES, held_out: int = 1_000) -> Data:
    """Synthetic images in [0, 1] with ten classes that a net can learn."""
    draw = stream(0, "benchmark")
    total = examples + 2 * held_out
    targets = torch.from_numpy(draw.integers(10, size=total))
    centres = torch.from_numpy(draw.random((10, 784), dtype="float32"))
    images = torch.from_numpy(draw.random((total, 784), dtype="float32"))
    images.mul_(0.7).add_(centres[targets], alpha=0.3)
    images = images.view(total, 1, 28, 28)
    parts = (
        slice(examples),
        slice(examples, examples + held_out),
        slice(examples + held_out, None),
    )
    splits = [Split(images[part], targets[part]) for part in parts]
    return Data("mnist-sized", *splits, shape=(1, 28, 28), classes=10)


def layers(widths: Sequence[int]) -> list[tuple[int, int]]:
    """(inputs, outputs) of each layer."""
    return list(pairwise(widths))
