"""The first pass of a new module: whether it fits, and what it uses."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bnrun.core.errors import UserError
from bnrun.core.noise import stream
from bnrun.core.sites import Activated, Site, run, sites_of


class Trial(NamedTuple):
    """What a pass of two examples shows.

    units, sites    of each use: its units, and which of the sites it is
    shared, signed  of each layer, see `bnrun.core.sites.Site`
    size, widest    values per example: of the outputs, and the most that a part computes
    """

    units: tuple[int, ...]
    sites: tuple[int, ...]
    shared: tuple[bool, ...]
    signed: tuple[bool | None, ...]
    size: int
    widest: int

    @property
    def layers(self) -> tuple[int, ...]:
        """The layer of each use; layers count from 0 in the order of their first use."""
        order = list(dict.fromkeys(self.sites))
        return tuple(order.index(site) for site in self.sites)


def tried(
    make: Callable[[], nn.Module], shape: tuple[int, ...], seed: int, name: str
) -> tuple[nn.Module, Trial]:
    """A module from its seed, after a pass, in which lazy layers get their weights."""
    with _seeded(int(stream(seed, "weights").integers(2**62))):
        net = make()
        return net, _run(net, shape, name)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """All global generators have this seed while the block runs, and then their state again."""
    ours, numpys = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(ours)
            np.random.set_state(numpys)


@torch.no_grad()
def _run(net: nn.Module, shape: tuple[int, ...], name: str) -> Trial:
    sites = sites_of(net)
    units, used, widest = [], [], [1]

    def activate(use: int, site: Site, logits: Tensor) -> Activated:
        units.append(logits.shape[-1])
        used.append(sites.index(site))
        return Activated(logits, torch.zeros_like(logits))

    with _evaluating(net), _watched(net, widest):
        outputs = run(net, sites, [torch.zeros(2, *shape)], (), {}, activate).outputs
    if not units:
        raise UserError(
            f"{name}: its forward pass uses no bnrun.Binary layer, so it has no binary neurons: "
            f"put one where the bits are to be"
        )
    if not isinstance(outputs, Tensor) or outputs.dim() < 1 or len(outputs) != 2:
        what = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise UserError(
            f"{name}: returned {what} for two examples: it must return one tensor with the batch "
            f"axis first, [N, ...]"
        )
    first = [sites[number] for number in dict.fromkeys(used)]
    shared, signed = tuple(s.shared for s in first), tuple(s.signed for s in first)
    size = prod(outputs.shape[1:])
    return Trial(tuple(units), tuple(used), shared, signed, size, max(widest))


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    net.eval()
    yield
    net.train()


@contextmanager
def _watched(net: nn.Module, sizes: list[int]) -> Iterator[None]:
    """Collect how many values per example each part computes for a batch of two."""

    def watch(part: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() and len(output) == 2:
            sizes.append(output.numel() // 2)

    hooks = [part.register_forward_hook(watch) for part in net.modules()]
    yield
    for hook in hooks:
        hook.remove()
