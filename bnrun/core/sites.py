"""Sites: binary layers at any place of the forward pass of a module.

Sample axes are folded into the batch, so that the module sees [N, ...] as it always does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bnrun.core.errors import UserError

Visitor = Callable[["Site", Tensor], Tensor]


class Site(nn.Module):
    """A place for a binary layer in a module that is run by `bnrun.core.modules.Modules`.

    shared  whether its bits serve the whole batch, as those of weights do. Its input has any shape,
            no batch axis, and does not depend on other sites that have one
    signed  whether its activations are -1 and +1, or 0 and 1; None leaves it to the neuron

    A subclass asks `visitor` first in `forward`.
    """

    visitor: Visitor | None = None
    """Gives the activations of the site while passes run the module."""

    def __init__(self, shared: bool = False, signed: bool | None = None) -> None:
        super().__init__()
        self.shared, self.signed = shared, signed

    def forward(self, x: Tensor) -> Tensor:
        """Activations for logits x, of the same shape and dtype."""
        assert self.visitor is not None  # only passes run a module with bare sites
        return self.visitor(self, x)


def sites_of(module: nn.Module) -> list[Site]:
    """All sites in a module."""
    return [part for part in module.modules() if isinstance(part, Site)]


class Activated(NamedTuple):
    """The logits of a use of a site, and the activations for them. B is 1 if the site is shared.

    logits       [*S', 1, B, U]; S' may have more axes than S if the run stops
    activations  [*S, 1, B, U]; None stops the run
    """

    logits: Tensor
    activations: Tensor | None


class Run(NamedTuple):
    """One run of one module.

    outputs    None if it stopped
    activated  all uses that were not given, by number; if it stopped, the last has no activations
    sites      the site of every use, given ones included
    stopped    whether it stopped at the last of them
    """

    outputs: Any
    activated: dict[int, Activated]
    sites: list[Site]
    stopped: bool = False


class _Reached(BaseException):
    """Stops a run where an estimator takes over. A model may catch every Exception: it is none."""


def run(
    module: nn.Module,
    sites: Sequence[Site],
    inputs: Sequence[Tensor],
    samples: tuple[int, ...],
    given: Mapping[int, Tensor],
    activate: Callable[[int, Site, Tensor], Activated],
) -> Run:
    """Run a module on inputs [B, ...], once for each sample S.

    given     activations of some uses by number, [*S', 1, B, U]; S' are the last axes of S
    activate  the activations of every other use: (use, site, logits [*S, 1, B, U]) -> Activated

    The bits of a shared site have no sample axes here, [1, 1, U].

    Raises UserError if the input of a site that is not shared does not have the batch axis first.
    """
    activated: dict[int, Activated] = {}
    used: list[Site] = []
    batch = len(inputs[0])
    rows = math.prod(samples) * batch

    def visit(site: Site, x: Tensor) -> Tensor:
        use = len(used)
        used.append(site)
        if not site.shared and (x.dim() < 1 or len(x) != rows):
            raise UserError(
                f"a bnrun.Binary layer was given {list(x.shape)} where the batch has {rows} "
                f"rows: its input must have the batch axis first, [N, ...], or the layer must be "
                f"made with shared=True, if its bits serve the whole batch"
            )
        activations = given.get(use)
        if activations is None:
            logits = x if x.dtype in (torch.float32, torch.float64) else x.float()
            shape = (1, 1, -1) if site.shared else (*samples, 1, batch, -1)
            activated[use] = activate(use, site, logits.reshape(shape))
            activations = activated[use].activations
        if activations is None:
            raise _Reached
        if not site.shared:
            activations = _folded(activations, samples)
        return activations.reshape(x.shape).to(x.dtype)

    for site in sites:
        site.visitor = visit
    try:
        return Run(module(*(repeated(part, samples) for part in inputs)), activated, used)
    except _Reached:
        return Run(None, activated, used, stopped=True)
    finally:
        for site in sites:
            site.visitor = None


def _folded(activations: Tensor, samples: tuple[int, ...]) -> Tensor:
    """[*S', 1, B, U] -> [N, U] for samples S, of which S' are the last axes."""
    return activations.expand(*samples, *activations.shape[-3:]).flatten(0, -2)


def repeated(part: Tensor, samples: tuple[int, ...]) -> Tensor:
    """[B, ...] -> [N, ...], the batch once for each sample."""
    return part.expand(*samples, *part.shape).flatten(0, len(samples)) if samples else part
