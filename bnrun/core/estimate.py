"""Estimates for any module that holds sites, in a training loop of any kind."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bnrun.core.network import Downstream, LayerEstimator
from bnrun.core.noise import Noise
from bnrun.core.sites import Met, Passes, Run, Site, Use, first_statistics, repeated, run, sites_of


class ServedSite(Site, ABC):
    """A site with an estimator and random numbers of its own; `bnrun.Binary` is one."""

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

    Raises ValueError if the module or the loss does not keep the batch axis, if there is no site,
    or if an estimator of a bound of several samples is not the only one; RuntimeError if the module
    draws random numbers of its own, like dropout.
    """
    sites = [site for site in sites_of(model) if isinstance(site, ServedSite)]
    if not sites:
        raise ValueError("the model has no bnrun.Binary layer, so there is nothing to estimate")
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    with first_statistics([model]):
        return _Estimate(model, sites, parts, loss, targets, noise).losses(1).squeeze(0)


class _Estimate(Passes):
    """Passes of one module, whose sites have their own estimators."""

    def __init__(
        self,
        model: nn.Module,
        sites: Sequence[ServedSite],
        inputs: tuple[Tensor, ...],
        loss: Callable[..., Tensor],
        targets: Sequence[Tensor],
        noise: Noise | None,
    ) -> None:
        self.model, self.sites, self.inputs, self.loss = model, sites, inputs, loss
        self.targets, self.noise = targets, noise
        self.bounded = False

    def run(self, replica: int, samples: tuple[int, ...], given: Sequence[Tensor]) -> Run:
        before = torch.get_rng_state()
        try:
            return run(self.model, self.sites, self.inputs, samples, given, self._meet)
        finally:
            if not torch.equal(before, torch.get_rng_state()):
                raise RuntimeError(
                    "the model draws random numbers besides its bnrun.Binary layers (dropout?), "
                    "other ones in each pass of one estimate: put that layer into evaluation mode "
                    "(layer.eval()), or leave it out"
                )

    def _meet(self, use: int, site: Site, logits: Tensor) -> Met:
        assert isinstance(site, ServedSite)
        return Met(logits, site.activate(logits, self.noise or site.next_noise()))

    def estimated(self, site: Site, use: int, logits: Tensor, downstream: Downstream) -> Tensor:
        assert isinstance(site, ServedSite)
        estimator = site.serving()
        self.bounded |= getattr(estimator, "bound", None) is not None
        if self.bounded and use > 0:
            raise ValueError(
                "a bound of several samples, as estimator=vimco minimises it, needs a model with "
                "one bnrun.Binary layer that is used once: use an estimator of the mean loss"
            )
        return estimator(logits, downstream, self.noise or site.next_noise())

    def ended(
        self, outputs: Sequence[Any], uses: Sequence[Use], samples: tuple[int, ...]
    ) -> Tensor:
        losses = self.loss(outputs[0], *(repeated(part, samples) for part in self.targets))
        batch = len(self.inputs[0])
        rows = math.prod(samples) * batch
        if not isinstance(losses, Tensor) or losses.shape != (rows,):
            shape = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
            raise ValueError(
                f"loss returned {shape} for a batch of {rows}: it must return one loss per "
                f"example, [{rows}], e.g. with reduction='none'"
            )
        return losses.reshape(*samples, 1, batch)
