"""Estimates for any module that holds sites: binary layers at any place of its forward pass.

The downstream of a site is the module run once more from its start, with the activations of the
sites before it as they were and those of the site itself replaced. A run that comes to a site whose
estimator needs the loss stops there and hands the logits to that estimator. So skips across binary
layers, branches and recurrences are a part of downstream like everything else.

Sample axes are folded into the batch, so that the module sees [N, ...] as it always does.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bnrun.core.chain import LayerEstimator
from bnrun.core.noise import Noise

Visitor = Callable[["Site", Tensor], Tensor]


class Site(nn.Module, ABC):
    """A binary layer inside a module; `bnrun.Binary` is one.

    A subclass asks `visitor` first in `forward`.
    """

    visitor: Visitor | None = None
    """Answers for the site while an estimate runs the module."""

    @abstractmethod
    def serving(self) -> LayerEstimator:
        """The estimator of the site at this moment."""

    @abstractmethod
    def activate(self, logits: Tensor, noise: Noise) -> Tensor | None:
        """Activations with their gradient; None if the estimator needs the loss."""

    @abstractmethod
    def next_noise(self) -> Noise:
        """Random numbers for one call."""


def estimate(
    model: nn.Module,
    inputs: Tensor | tuple[Tensor, ...],
    loss: Callable[..., Tensor],
    *targets: Tensor,
    noise: Noise | None = None,
) -> Tensor:
    """The loss per example [B] of a module with sites; its autograd gradient is the estimate.

    model    any nn.Module with `bnrun.Binary` sites, in its training or evaluation mode
    inputs   of the module, with the batch axis first, [B, ...]
    loss     a function of the outputs and the targets that returns one loss per example, [N]; N is
             B times the samples that an estimator takes, and outputs and targets have N rows
    targets  what else the loss needs, each [B, ...]
    noise    one random stream for all sites, Noise([seed]); None takes each site's own

    With n evaluations and k sites the module runs at most n + k times; once, if all estimators are
    activation functions. Layers with statistics of the batch, like batch norm in training mode, see
    the folded batch, and keep the running statistics of their first pass.

    Raises ValueError if the module or the loss does not keep the batch axis, or has no site;
    RuntimeError if the module draws random numbers of its own, like dropout.
    """
    sites = [module for module in model.modules() if isinstance(module, Site)]
    if not sites:
        raise ValueError("the model has no bnrun.Binary layer, so there is nothing to estimate")
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    passes = _Passes(model, sites, parts, loss, targets, noise)
    try:
        with _first_statistics(model):
            return passes.losses([], ()).squeeze(0)
    finally:
        for site in sites:
            site.visitor = None


class _Reached(BaseException):
    """Stops a run where an estimator takes over. A model may catch every Exception: it is none."""

    def __init__(self, site: Site, logits: Tensor) -> None:
        self.site, self.logits = site, logits


class _Passes:
    """Runs of one module on one batch."""

    def __init__(
        self,
        model: nn.Module,
        sites: Sequence[Site],
        inputs: tuple[Tensor, ...],
        loss: Callable[..., Tensor],
        targets: Sequence[Tensor],
        noise: Noise | None,
    ) -> None:
        self.model, self.inputs, self.loss = model, inputs, loss
        self.targets, self.noise = targets, noise
        self.sites = sites
        self.batch = len(inputs[0])

    def losses(self, given: Sequence[Tensor], samples: tuple[int, ...]) -> Tensor:
        """Losses [*S, 1, B] where the first sites, in the order of their use, are given.

        given    activations [*S', 1, B, U] of each; S' are the last axes of S
        samples  S
        """
        seen = list(given)
        reached: tuple[Site, Tensor]
        try:
            outputs = self._run(seen, samples)
        except _Reached as stop:
            reached = stop.site, stop.logits
        else:
            return self._checked_loss(outputs, samples)
        site, logits = reached

        def downstream(activations: Tensor) -> Tensor:
            return self.losses([*seen, activations], tuple(activations.shape[:-3]))

        return site.serving()(logits, downstream, self.noise or site.next_noise())

    def _run(self, seen: list[Tensor], samples: tuple[int, ...]) -> Any:
        """The module's outputs; `seen` grows by what activation functions give on the way."""
        used = 0

        def visit(site: Site, x: Tensor) -> Tensor:
            nonlocal used
            rows = math.prod(samples) * self.batch
            if x.dim() < 1 or len(x) != rows:
                raise ValueError(
                    f"a bnrun.Binary layer was given {list(x.shape)} where the batch has {rows} "
                    f"rows: its input must have the batch axis first, [N, ...]"
                )
            if used == len(seen):
                logits = x if x.dtype in (torch.float32, torch.float64) else x.float()
                logits = logits.reshape(*samples, 1, self.batch, -1)
                activations = site.activate(logits, self.noise or site.next_noise())
                if activations is None:
                    raise _Reached(site, logits)
                seen.append(activations)
            used += 1
            return _folded(seen[used - 1], samples).reshape(x.shape).to(x.dtype)

        for site in self.sites:
            site.visitor = visit
        folded = [_repeated(part, samples) for part in self.inputs]
        before = torch.get_rng_state()
        try:
            return self.model(*folded)
        finally:
            if not torch.equal(before, torch.get_rng_state()):
                raise RuntimeError(
                    "the model draws random numbers besides its bnrun.Binary layers (dropout?), "
                    "other ones in each pass of one estimate: put that layer into evaluation mode "
                    "(layer.eval()), or leave it out"
                )

    def _checked_loss(self, outputs: Any, samples: tuple[int, ...]) -> Tensor:
        losses = self.loss(outputs, *(_repeated(part, samples) for part in self.targets))
        rows = math.prod(samples) * self.batch
        if not isinstance(losses, Tensor) or losses.shape != (rows,):
            shape = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
            raise ValueError(
                f"loss returned {shape} for a batch of {rows}: it must return one loss per "
                f"example, [{rows}], e.g. with reduction='none'"
            )
        return losses.reshape(*samples, 1, self.batch)


def _folded(activations: Tensor, samples: tuple[int, ...]) -> Tensor:
    """[*S', 1, B, U] -> [N, U] for samples S, of which S' are the last axes."""
    return activations.expand(*samples, *activations.shape[-3:]).flatten(0, -2)


def _repeated(part: Tensor, samples: tuple[int, ...]) -> Tensor:
    """[B, ...] -> [N, ...], the batch once for each sample."""
    return part.expand(*samples, *part.shape).flatten(0, len(samples)) if samples else part


@contextmanager
def _first_statistics(model: nn.Module) -> Iterator[None]:
    """Let buffers, such as running means, keep what the first pass through each module gave."""
    kept: dict[Tensor, Tensor] = {}

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        for buffer in module.buffers(recurse=False):
            kept.setdefault(buffer, buffer.clone())

    hooks = [
        module.register_forward_hook(keep)
        for module in model.modules()
        if not isinstance(module, Site) and next(module.buffers(recurse=False), None) is not None
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for buffer, value in kept.items():
            # Not through autograd's eyes: batch norm names its buffers for the backward pass, and
            # does not use them there.
            buffer.data.copy_(value)
