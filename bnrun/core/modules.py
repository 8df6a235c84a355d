"""A network of R plain modules, run in turn: any nn.Module with `bnrun.Binary` sites."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from bnrun.core.errors import UserError
from bnrun.core.network import (
    Activating,
    Downstream,
    Fired,
    Firing,
    Forward,
    LayerEstimator,
    Network,
    Pass,
    See,
    whole,
)
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.core.passes import Activate, Given, Passes, Use, fired
from bnrun.core.samples import Samples, Turn
from bnrun.core.sites import Activated, Run, Site, run, sites_of
from bnrun.core.stacked import Stacked
from bnrun.core.trial import tried


@runtime_checkable
class Constrained(Protocol):
    """A part of a module whose parameters have to stay in some range."""

    def after_update(self) -> None:
        """Put the parameters back into their range; called without gradient after each update."""


class Modules(Network):
    """R instances of a module, each initialised from its own seed; their weights are stacked.

    Each `bnrun.Binary` in it is a place for a binary layer, with the neuron and the estimator of
    the run. Layers count in the order of their first use; a place that is used several times is
    one layer.

    A part of the module may have a method `after_update`, which is called without gradient after
    each update, e.g. to clip its weights.

    make     makes a module, which maps inputs [N, *shape] to outputs [N, ...] of that size
    shape    of one input
    outputs  number of values per example
    seeds    R of them; while a module is made, the global generators have a seed from its own
    name     of the model, for messages

    Raises UserError if the modules do not fit these, have no site in use, or share parameters.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        shape: Sequence[int],
        outputs: int,
        seeds: Sequence[int],
        name: str = "model",
    ) -> None:
        super().__init__()
        self.name, self.shape, self.size = name, tuple(shape), outputs
        made = [tried(make, self.shape, seed, name) for seed in seeds]
        for _, trial in made:
            if trial.size != outputs:
                raise UserError(
                    f"{name}: its outputs have {trial.size} values per example, but the task and "
                    f"the dataset need {outputs}: an argument `outputs` of its constructor is "
                    f"given that number"
                )
        first = made[0][1]
        self._trial, self.units, self.uses = first, first.units, first.layers
        self._nets = [net for net, _ in made]
        self._sites = [sites_of(net) for net in self._nets]
        self._stacked = Stacked(self, self._nets, name)

    @property
    def widest(self) -> int:
        """Largest number of values per example that a part of the module computes."""
        return self._trial.widest

    @property
    def shared(self) -> tuple[bool, ...]:
        return self._trial.shared

    @property
    def signed(self) -> tuple[bool | None, ...]:
        return self._trial.signed

    @property
    def besides(self) -> int:
        """The same, because each evaluation runs the whole module."""
        return self._trial.widest

    def train(self, mode: bool = True) -> Self:
        for net in self._nets:
            net.train(mode)
        return super().train(mode)

    def losses(
        self,
        inputs: Tensor,
        estimators: Sequence[LayerEstimator],
        loss: Callable[[Pass], Tensor],
        noise: Noise,
        see: See | None = None,
    ) -> Tensor:
        passes = _Losses(self, inputs, estimators, loss, noise, see)
        with self._stacked.borrowed():
            return passes.losses(once=all(passes.activating))

    @torch.no_grad()
    def after_update(self) -> None:
        parts = [part for net in self._nets for part in net.modules()]
        changed = [part for part in parts if isinstance(part, Constrained)]
        if changed:
            with self._stacked.borrowed():
                for part in changed:
                    part.after_update()

    def passes(self, inputs: Tensor) -> Forward:
        return partial(self._forward, inputs)

    def outputs(self, inputs: Tensor, fired: Pass) -> Tensor:
        assert fired.outputs is not None  # a pass of this network has them
        return fired.outputs

    def _forward(
        self,
        inputs: Tensor,
        neurons: Sequence[Neuron],
        firings: Sequence[Firing],
        noise: Noise,
        samples: int | None = None,
    ) -> Pass:
        def fire(own: Noise, use: int, site: Site, logits: Tensor) -> Activated:
            return Activated(logits, firings[self.uses[use]](logits, own))

        axes = () if samples is None else (samples,)
        # Samples of a weight cannot be folded into the batch.
        sampled = Samples((), axes) if any(self.shared) else Samples(axes)
        runs = []
        with self._stacked.borrowed():
            for replica in range(len(self._nets)):
                activate = partial(fire, noise.replica(replica))
                turns = sampled.turns()
                runs.append(
                    [self.run(replica, inputs, sampled.folded, {}, activate) for _ in turns]
                )
        outputs = [[run.outputs for run in turns] for turns in runs]
        uses = [use for _, use in sorted(fired(runs, sampled).items())]
        return self.ended(neurons, outputs, uses, sampled)

    def run(
        self,
        replica: int,
        inputs: Tensor,
        samples: tuple[int, ...],
        given: Given,
        activate: Activate,
    ) -> Run:
        """Run the module of a replica, which has borrowed its weights, on inputs [R, B, ...]."""

        def checked(use: int, site: Site, logits: Tensor) -> Activated:
            expected = (
                (sites[self._trial.sites[use]], self.units[use]) if use < len(self.units) else ()
            )
            if (site, logits.shape[-1]) != expected:
                raise UserError(self._changed)
            return activate(use, site, logits)

        sites = self._sites[replica]
        done = run(self._nets[replica], sites, [inputs[replica]], samples, given, checked)
        if not done.stopped and len(done.sites) != len(self.units):
            raise UserError(self._changed)
        return done

    def ended(
        self,
        neurons: Sequence[Neuron],
        outputs: Sequence[Sequence[Any]],
        uses: Sequence[Use],
        samples: Samples,
    ) -> Pass:
        """A finished pass, from the outputs [N, ...] of all replicas and turns, and all uses."""
        layers = [
            Fired(neurons[layer], use.logits, use.activations)
            for layer, use in zip(self.uses, uses, strict=True)
        ]
        done = Pass(layers)
        shape = (*samples.folded, 1, -1, self.size)
        parts = [[part.reshape(shape) for part in turns] for turns in outputs]
        done.outputs = whole([samples.joined(turns) for turns in parts])
        return done

    @property
    def _changed(self) -> str:
        return (
            f"{self.name}: a pass used its bnrun.Binary layers in another way than the first one, "
            f"which used layers of {', '.join(map(str, self.units))} units: their number, order "
            f"and sizes must be the same in every pass"
        )


class _Losses(Passes):
    """Passes of all replicas on one batch, with one estimator per layer."""

    def __init__(
        self,
        model: Modules,
        inputs: Tensor,
        estimators: Sequence[LayerEstimator],
        loss: Callable[[Pass], Tensor],
        noise: Noise,
        see: See | None,
    ) -> None:
        super().__init__(model._nets, model._sites[0], inputs.shape[1])
        self.model, self.inputs, self.loss, self.see = model, inputs, loss, see
        self.estimators, self.noise = estimators, noise
        self.activating = [e if isinstance(e, Activating) else None for e in estimators]
        self.streams = [noise.replica(replica) for replica in range(len(inputs))]

    def run(self, replica: int, samples: tuple[int, ...], given: Given, activate: Activate) -> Run:
        return self.model.run(replica, self.inputs, samples, given, activate)

    def activate(self, replica: int, turn: Turn, use: int, site: Site, logits: Tensor) -> Activated:
        seen = logits
        if self.see is not None:
            seen = turn.among(logits, partial(self.see, use, slice(replica, replica + 1)))
        function = self.activating[self.model.uses[use]]
        # More samples than the module is run with need another run.
        if seen.dim() > logits.dim() or function is None:
            return Activated(seen, None)
        return Activated(seen, function.activate(seen, self.streams[replica]))

    def estimated(self, site: Site, use: int, logits: Tensor, downstream: Downstream) -> Tensor:
        return self.estimators[self.model.uses[use]](logits, downstream, self.noise)

    def ended(
        self, outputs: Sequence[Sequence[Any]], uses: Sequence[Use], samples: Samples
    ) -> Tensor:
        neurons = [estimator.firing_neuron for estimator in self.estimators]
        return self.loss(self.model.ended(neurons, outputs, uses, samples))
