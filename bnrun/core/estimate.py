"""Estimates for any module that holds sites, in a training loop of any kind."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bnrun.core.network import Activating, Downstream, LayerEstimator
from bnrun.core.noise import Noise
from bnrun.core.passes import Activate, Given, Passes, Use
from bnrun.core.samples import Samples, Turn
from bnrun.core.sites import Activated, Run, Site, repeated, run, sites_of


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
    return _Estimate(model, sites, parts, loss, targets, noise).losses().squeeze(0)


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
        super().__init__([model], sites, len(inputs[0]))
        self.model, self.sites, self.inputs, self.loss = model, sites, inputs, loss
        self.targets, self.noise = targets, noise
        self.bounded = False

    def run(self, replica: int, samples: tuple[int, ...], given: Given, activate: Activate) -> Run:
        before = torch.get_rng_state()
        try:
            return run(self.model, self.sites, self.inputs, samples, given, activate)
        finally:
            if not torch.equal(before, torch.get_rng_state()):
                raise RuntimeError(
                    "the model draws random numbers besides its bnrun.Binary layers (dropout?), "
                    "other ones in each pass of one estimate: put that layer into evaluation mode "
                    "(layer.eval()), or leave it out"
                )

    def activate(self, replica: int, turn: Turn, use: int, site: Site, logits: Tensor) -> Activated:
        assert isinstance(site, ServedSite)
        if not isinstance(site.serving(), Activating):
            return Activated(logits, None)
        return Activated(logits, site.activate(logits, self.noise or site.next_noise()))

    def estimated(self, site: Site, use: int, logits: Tensor, downstream: Downstream) -> Tensor:
        assert isinstance(site, ServedSite)
        estimator = site.serving()
        if not estimator.nested:
            raise ValueError(
                "nested=False is for models that are a chain, like bnrun's own: leave it out in a "
                "model with bnrun.Binary layers, whose passes all start at the input"
            )
        self.bounded |= getattr(estimator, "bound", None) is not None
        if self.bounded and (use > 0 or site.shared):
            raise ValueError(
                "a bound of several samples, as estimator=vimco minimises it, needs a model with "
                "one bnrun.Binary layer that is used once and not shared by the batch: use an "
                "estimator of the mean loss"
            )
        return estimator(logits, downstream, self.noise or site.next_noise())

    def ended(
        self, outputs: Sequence[Sequence[Any]], uses: Sequence[Use], samples: Samples
    ) -> Tensor:
        losses = [self._losses_of(one, samples.folded) for one in outputs[0]]
        return samples.joined(losses, trailing=2)

    def _losses_of(self, outputs: Any, samples: tuple[int, ...]) -> Tensor:
        losses = self.loss(outputs, *(repeated(part, samples) for part in self.targets))
        rows = math.prod(samples) * self.batch
        if not isinstance(losses, Tensor) or losses.shape != (rows,):
            shape = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
            raise ValueError(
                f"loss returned {shape} for a batch of {rows}: it must return one loss per "
                f"example, [{rows}], e.g. with reduction='none'"
            )
        return losses.reshape(*samples, 1, self.batch)
