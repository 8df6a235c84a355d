"""Passes through modules that hold sites: binary layers at any place of their forward pass.

The downstream of a site is the module run once more from its start, with the activations of the
sites before it as they were and those of the site itself replaced. A run that comes to a site whose
estimator needs the loss stops there and hands the logits to that estimator. So skips across binary
layers, branches and recurrences are a part of downstream like everything else.

Sample axes are folded into the batch, so that the module sees [N, ...] as it always does. Replicas
are modules of their own, run in turn.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bnrun.core.errors import UserError
from bnrun.core.network import Downstream

Visitor = Callable[["Site", Tensor], Tensor]


class Site(nn.Module):
    """A place for a binary layer in a module that is run by `bnrun.core.modules.Modules`.

    A subclass asks `visitor` first in `forward`.
    """

    visitor: Visitor | None = None
    """Answers for the site while passes run the module."""

    def forward(self, x: Tensor) -> Tensor:
        """Activations for logits x, of the same shape and dtype."""
        assert self.visitor is not None  # only passes run a module with bare sites
        return self.visitor(self, x)


def sites_of(module: nn.Module) -> list[Site]:
    """All sites in a module."""
    return [part for part in module.modules() if isinstance(part, Site)]


class Use(NamedTuple):
    """A use of a site in a pass, in R parts: logits and activations, [*S, 1, B, U] each."""

    logits: tuple[Tensor, ...]
    activations: tuple[Tensor, ...]


class Met(NamedTuple):
    """What a pass answers for a use that is not given.

    logits       [*S', 1, B, U]; S' may have more axes than S if the run stops
    activations  [*S, 1, B, U]; None stops the run
    """

    logits: Tensor
    activations: Tensor | None


class Run(NamedTuple):
    """One run of one module.

    outputs  None if it stopped
    met      all uses that were not given; the last one has no activations if it stopped
    used     number of uses, given ones included
    reached  the site where it stopped
    """

    outputs: Any
    met: list[Met]
    used: int
    reached: Site | None = None


class _Reached(BaseException):
    """Stops a run where an estimator takes over. A model may catch every Exception: it is none."""

    def __init__(self, site: Site) -> None:
        self.site = site


def run(
    module: nn.Module,
    sites: Sequence[Site],
    inputs: Sequence[Tensor],
    samples: tuple[int, ...],
    given: Sequence[Tensor],
    meet: Callable[[int, Site, Tensor], Met],
) -> Run:
    """Run a module on inputs [B, ...], once for each sample S.

    given  activations of the first uses, [*S', 1, B, U]; S' are the last axes of S
    meet   answers for every later use: (use, site, logits [*S, 1, B, U]) -> Met

    Raises UserError if a site's input does not have the batch axis first.
    """
    met: list[Met] = []
    used = 0
    batch = len(inputs[0])
    rows = math.prod(samples) * batch

    def visit(site: Site, x: Tensor) -> Tensor:
        nonlocal used
        if x.dim() < 1 or len(x) != rows:
            raise UserError(
                f"a bnrun.Binary layer was given {list(x.shape)} where the batch has {rows} "
                f"rows: its input must have the batch axis first, [N, ...]"
            )
        if used < len(given):
            activations = given[used]
        else:
            logits = x if x.dtype in (torch.float32, torch.float64) else x.float()
            met.append(meet(used, site, logits.reshape(*samples, 1, batch, -1)))
            if met[-1].activations is None:
                raise _Reached(site)
            activations = met[-1].activations
        used += 1
        return _folded(activations, samples).reshape(x.shape).to(x.dtype)

    for site in sites:
        site.visitor = visit
    try:
        return Run(module(*(repeated(part, samples) for part in inputs)), met, used)
    except _Reached as stop:
        return Run(None, met, used + 1, stop.site)
    finally:
        for site in sites:
            site.visitor = None


def uses_of(runs: Sequence[Run]) -> list[Use]:
    """The uses that the runs of all replicas have met."""
    met = zip(*(run.met for run in runs), strict=True)
    return [Use(*zip(*parts, strict=True)) for parts in met]


class Passes(ABC):
    """Losses of R modules with sites on one batch.

    A subclass says what happens at a use, where an estimator takes over, and at the end.
    """

    @abstractmethod
    def run(self, replica: int, samples: tuple[int, ...], given: Sequence[Tensor]) -> Run:
        """Run the module of a replica."""

    @abstractmethod
    def estimated(self, site: Site, use: int, logits: Tensor, downstream: Downstream) -> Tensor:
        """The loss from the estimator of a use of a site, [*S, R, B]; logits are [*S, R, B, U]."""

    @abstractmethod
    def ended(
        self, outputs: Sequence[Any], uses: Sequence[Use], samples: tuple[int, ...]
    ) -> Tensor:
        """The loss of each example, [*S, R, B], from the outputs of all replicas."""

    def losses(
        self, replicas: int, given: Sequence[Use] = (), samples: tuple[int, ...] = ()
    ) -> Tensor:
        """Losses [*S, R, B] where the first uses are given."""
        runs = [
            self.run(replica, samples, [use.activations[replica] for use in given])
            for replica in range(replicas)
        ]
        uses = [*given, *uses_of(runs)]
        reached = runs[0].reached
        if reached is None:
            return self.ended([run.outputs for run in runs], uses, samples)
        last = uses.pop()

        def downstream(activations: Tensor) -> Tensor:
            use = Use(last.logits, _parts(activations, replicas))
            return self.losses(replicas, [*uses, use], tuple(activations.shape[:-3]))

        return self.estimated(reached, len(uses), whole(last.logits), downstream)


def whole(parts: Sequence[Tensor]) -> Tensor:
    """[*S, 1, B, U] of each replica -> [*S, R, B, U]."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), -3)


def _parts(tensor: Tensor, replicas: int) -> tuple[Tensor, ...]:
    """The inverse of `whole`; the gradient of a split would be a copy, even of a single part."""
    return (tensor,) if replicas == 1 else tensor.split(1, -3)


def _folded(activations: Tensor, samples: tuple[int, ...]) -> Tensor:
    """[*S', 1, B, U] -> [N, U] for samples S, of which S' are the last axes."""
    return activations.expand(*samples, *activations.shape[-3:]).flatten(0, -2)


def repeated(part: Tensor, samples: tuple[int, ...]) -> Tensor:
    """[B, ...] -> [N, ...], the batch once for each sample."""
    return part.expand(*samples, *part.shape).flatten(0, len(samples)) if samples else part


@contextmanager
def first_statistics(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Let buffers, such as running means, keep what the first pass through each part gave."""
    kept: dict[tuple[nn.Module, str], Tensor] = {}

    def keep(part: nn.Module, args: Any, output: Any) -> None:
        for name, buffer in part.named_buffers(recurse=False):
            if (part, name) not in kept:
                kept[part, name] = buffer.clone()

    hooks = [
        part.register_forward_hook(keep)
        for module in modules
        for part in module.modules()
        if not isinstance(part, Site) and next(part.buffers(recurse=False), None) is not None
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for (part, name), value in kept.items():
            # Not through autograd's eyes: batch norm names its buffers for the backward pass, and
            # does not use them there.
            part.get_buffer(name).data.copy_(value)
