"""(e) Lower bound: only the matrix products of a step, batched over seeds."""

from collections.abc import Sequence

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
