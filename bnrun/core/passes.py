"""Passes through modules that hold sites, and the downstream of each site.

The downstream of a site is the module run once more from its start, with the activations of the
sites before it as they were and those of the site itself replaced. A run that comes to a site whose
estimator needs the loss stops there and hands the logits to that estimator. So skips across binary
layers, branches and recurrences are a part of downstream like everything else.

Shared sites, whose bits serve the whole batch, come first, because their logits depend on no other
site: the mean loss of the batch, in which all other sites are nested, is the loss that they see.
Several samples of a weight cannot be folded into the batch, so they are looped over, as replicas
are: modules of their own, run in turn.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bnrun.core.errors import UserError
from bnrun.core.first_statistics import FirstStatistics
from bnrun.core.network import Downstream, whole
from bnrun.core.samples import Samples, Turn
from bnrun.core.sites import Activated, Run, Site

Given = Mapping[int, Tensor]
Activate = Callable[[int, Site, Tensor], Activated]
_ActivateInTurn = Callable[[int, Turn, int, Site, Tensor], Activated]


_MOST = 2**18
"""Evaluations of one example's loss in nested estimates: n of them in each of T uses make n^T."""


class Use(NamedTuple):
    """A use of a site in a pass, in R parts: logits and activations, [*S, 1, B, U] each."""

    logits: tuple[Tensor, ...]
    activations: tuple[Tensor, ...]


class _Runs(NamedTuple):
    """Runs of all replicas, as far as they got.

    outputs   of each replica, of each turn; empty if they stopped
    uses      that have activations, by number
    reached   number and site of the use where they stopped, and its logits of each replica
    """

    outputs: list[list[Any]]
    uses: dict[int, Use]
    reached: tuple[int, Site, tuple[Tensor, ...]] | None


class Passes(ABC):
    """Losses of R modules with sites on one batch.

    modules  in which running statistics keep what the first pass gave
    sites    of one of them
    batch    number of examples, B

    A subclass says what happens at a use, where an estimator takes over, and at the end.
    """

    def __init__(self, modules: Sequence[nn.Module], sites: Sequence[Site], batch: int) -> None:
        self.batch, self._replicas = batch, len(modules)
        self._shares = any(site.shared for site in sites)
        self._statistics = FirstStatistics(modules)

    @abstractmethod
    def run(self, replica: int, samples: tuple[int, ...], given: Given, activate: Activate) -> Run:
        """Run the module of a replica."""

    @abstractmethod
    def activate(self, replica: int, turn: Turn, use: int, site: Site, logits: Tensor) -> Activated:
        """The activations of a use, whose logits are [*folded, 1, B, U]; None stops the run."""

    @abstractmethod
    def estimated(self, site: Site, use: int, logits: Tensor, downstream: Downstream) -> Tensor:
        """The loss from the estimator of a use of a site, [*S, R, B]; logits are [*S, R, B, U]."""

    @abstractmethod
    def ended(
        self, outputs: Sequence[Sequence[Any]], uses: Sequence[Use], samples: Samples
    ) -> Tensor:
        """The loss of each example, [*S, R, B], from the outputs of all replicas and turns."""

    def losses(self, once: bool = False) -> Tensor:
        """Losses [*S, R, B]. Where shared sites come first, each is the mean loss of the batch.

        once  whether the modules will be run once, so that nothing has to be kept
        """
        if once:
            losses = self._losses({}, Samples(), settled=False)
        else:
            with self._statistics:
                losses = self._losses({}, Samples(), settled=False)
        return losses.expand(*losses.shape[:-1], self.batch)

    def _losses(self, given: Mapping[int, Use], samples: Samples, settled: bool) -> Tensor:
        """Losses [*S, R, B] where some uses are given; [*S, R, 1] if a shared site comes first.

        settled  whether all shared sites are given
        """
        runs = self._run_all(given, samples, self.activate)
        if runs.reached is None:
            uses = [use for _, use in sorted(runs.uses.items())]
            return self.ended(runs.outputs, uses, samples)
        if runs.reached[1].shared:
            return self._handed_over(runs, samples, settled)
        if self._shares and not settled:
            sought = self._sought(runs.uses, samples)
            if sought.reached is not None:
                return self._handed_over(sought, samples, settled)
            runs = runs._replace(uses=sought.uses)
        return self._handed_over(runs, samples, settled=True)

    def _handed_over(self, runs: _Runs, samples: Samples, settled: bool) -> Tensor:
        assert runs.reached is not None
        use, site, logits = runs.reached
        if site.shared and samples.folded:
            raise UserError(
                "a shared bnrun.Binary layer was used in a pass that depends on the bits of the "
                "batch, and not in all passes: use it in every pass"
            )

        def downstream(activations: Tensor) -> Tensor:
            axes = tuple(activations.shape[:-3])
            if use > 0 and prod(axes) > _MOST:
                raise UserError(
                    f"estimates through {use + 1} uses of bnrun.Binary layers evaluate the loss "
                    f"{prod(axes):,} times for each example, and the uses after them more: where a "
                    f"layer is used often, choose an estimator that evaluates once, like reinmax"
                )
            inner = Samples((), axes)
            if not site.shared:
                inner = Samples(axes[: len(axes) - len(samples.looped)], samples.looped)
            given = {**runs.uses, use: Use(logits, _parts(activations, self._replicas))}
            losses = self._losses(given, inner, settled)
            return losses.mean(-1, keepdim=True) if site.shared else losses

        return self.estimated(site, use, whole(logits), downstream)

    def _sought(self, given: Mapping[int, Use], samples: Samples) -> _Runs:
        """Runs to the next shared site that stops them; other sites only get placeholders."""
        placeholders: dict[int, Tensor] = {}

        def activate(replica: int, turn: Turn, use: int, site: Site, logits: Tensor) -> Activated:
            if not site.shared:
                placeholder = (logits > 0).to(logits.dtype).requires_grad_()
                placeholders[use] = placeholder
                return Activated(logits, placeholder)
            activated = self.activate(replica, turn, use, site, logits)
            if _depends(logits, list(placeholders.values())):
                raise UserError(
                    "the input of a shared bnrun.Binary layer depends on another layer's bits, of "
                    "single examples: leave out shared=True, or compute it from the parameters and "
                    "from other shared layers"
                )
            return activated

        with self._statistics.unchanged():
            runs = self._run_all(given, samples, activate)
        uses = {n: use for n, use in runs.uses.items() if n not in placeholders}
        return runs._replace(uses=uses)

    def _run_all(
        self, given: Mapping[int, Use], samples: Samples, activate: _ActivateInTurn
    ) -> _Runs:
        every: list[list[Run]] = [[] for _ in range(self._replicas)]
        for replica, runs in enumerate(every):
            for turn in samples.turns():
                parts = {n: turn.part(use.activations[replica]) for n, use in given.items()}
                runs.append(
                    self.run(replica, samples.folded, parts, _bound(activate, replica, turn))
                )

        first, reached = every[0][0], None
        if first.stopped:
            last = len(first.sites) - 1
            logits = (
                samples.joined([run.activated[last].logits for run in runs]) for runs in every
            )
            reached = last, first.sites[last], tuple(logits)
        outputs = [[run.outputs for run in runs] for runs in every]
        return _Runs(outputs, {**given, **fired(every, samples)}, reached)


def fired(every: Sequence[Sequence[Run]], samples: Samples) -> dict[int, Use]:
    """All uses that have activations, by number.

    every  the runs of each replica, one for each turn of the samples
    """
    uses = {}
    for use, first in every[0][0].activated.items():
        if first.activations is not None:
            parts = [[run.activated[use] for run in runs] for runs in every]
            logits = (samples.joined([one.logits for one in turns]) for turns in parts)
            bits = (samples.joined([_present(one.activations) for one in turns]) for turns in parts)
            uses[use] = Use(tuple(logits), tuple(bits))
    return uses


def _parts(tensor: Tensor, replicas: int) -> tuple[Tensor, ...]:
    """The inverse of `whole`; the gradient of a split would be a copy, even of a single part."""
    return (tensor,) if replicas == 1 else tensor.split(1, -3)


def _bound(activate: _ActivateInTurn, replica: int, turn: Turn) -> Activate:
    return lambda use, site, logits: activate(replica, turn, use, site, logits)


def _present(activations: Tensor | None) -> Tensor:
    assert activations is not None  # only the last use of a run that stopped has none
    return activations


def _depends(value: Tensor, on: Sequence[Tensor]) -> bool:
    """Whether a value has a gradient with respect to any of these."""
    if not on or not value.requires_grad:
        return False
    gradients = torch.autograd.grad(value.sum(), on, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in gradients)
