"""A network of R plain modules, run in turn: any nn.Module with `bnrun.Binary` sites."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

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
)
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.core.sites import (
    Met,
    Passes,
    Run,
    Site,
    Use,
    first_statistics,
    run,
    sites_of,
    uses_of,
    whole,
)
from bnrun.core.stacked import Stacked
from bnrun.core.trial import tried


class Modules(Network):
    """R instances of a module, each initialised from its own seed; their weights are stacked.

    Each `bnrun.Binary` in it is a place for a binary layer, with the neuron and the estimator of
    the run. Layers count in the order of their first use; a place that is used several times is
    one layer.

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
        self.units, self.uses, self._widest = first.units, first.layers, first.widest
        self._order = first.sites
        self._nets = [net for net, _ in made]
        self._sites = [sites_of(net) for net in self._nets]
        self._stacked = Stacked(self, self._nets, name)

    @property
    def widest(self) -> int:
        """Largest number of values per example that a part of the module computes."""
        return self._widest

    @property
    def besides(self) -> int:
        """The same, because each evaluation runs the whole module."""
        return self._widest

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
            if all(passes.activating):
                return passes.losses(len(self._nets))
            with first_statistics(self._nets):
                return passes.losses(len(self._nets))

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
        def fire(own: Noise, use: int, site: Site, logits: Tensor) -> Met:
            return Met(logits, firings[self.uses[use]](logits, own))

        axes = () if samples is None else (samples,)
        with self._stacked.borrowed():
            runs = [
                self.run(replica, inputs, axes, [], partial(fire, noise.replica(replica)))
                for replica in range(len(self._nets))
            ]
        return self.ended(neurons, [run.outputs for run in runs], uses_of(runs), axes)

    def run(
        self,
        replica: int,
        inputs: Tensor,
        samples: tuple[int, ...],
        given: Sequence[Tensor],
        meet: Callable[[int, Site, Tensor], Met],
    ) -> Run:
        """Run the module of a replica, which has borrowed its weights, on inputs [R, B, ...]."""

        def checked(use: int, site: Site, logits: Tensor) -> Met:
            expected = (sites[self._order[use]], self.units[use]) if use < len(self.units) else ()
            if (site, logits.shape[-1]) != expected:
                raise UserError(self._changed)
            return meet(use, site, logits)

        sites = self._sites[replica]
        done = run(self._nets[replica], sites, [inputs[replica]], samples, given, checked)
        if done.reached is None and done.used != len(self.units):
            raise UserError(self._changed)
        return done

    def ended(
        self,
        neurons: Sequence[Neuron],
        outputs: Sequence[Any],
        uses: Sequence[Use],
        samples: tuple[int, ...],
    ) -> Pass:
        """A finished pass, from the outputs [N, ...] and the uses of all replicas."""
        fired = [
            Fired(neurons[layer], whole(use.logits), whole(use.activations))
            for layer, use in zip(self.uses, uses, strict=True)
        ]
        done = Pass(fired)
        batch = uses[0].logits[0].shape[-2]
        done.outputs = whole([part.reshape(*samples, 1, batch, self.size) for part in outputs])
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
        self.model, self.inputs, self.loss, self.see = model, inputs, loss, see
        self.estimators, self.noise = estimators, noise
        self.activating = [e if isinstance(e, Activating) else None for e in estimators]
        self.streams = [noise.replica(replica) for replica in range(len(inputs))]

    def run(self, replica: int, samples: tuple[int, ...], given: Sequence[Tensor]) -> Run:
        return self.model.run(replica, self.inputs, samples, given, partial(self._meet, replica))

    def _meet(self, replica: int, use: int, site: Site, logits: Tensor) -> Met:
        seen = logits
        if self.see is not None:
            seen = self.see(use, slice(replica, replica + 1), logits)
        function = self.activating[self.model.uses[use]]
        # More samples than the module is run with need another run.
        if seen.dim() > logits.dim() or function is None:
            return Met(seen, None)
        return Met(seen, function.activate(seen, self.streams[replica]))

    def estimated(self, site: Site, use: int, logits: Tensor, downstream: Downstream) -> Tensor:
        return self.estimators[self.model.uses[use]](logits, downstream, self.noise)

    def ended(
        self, outputs: Sequence[Any], uses: Sequence[Use], samples: tuple[int, ...]
    ) -> Tensor:
        neurons = [estimator.firing_neuron for estimator in self.estimators]
        return self.loss(self.model.ended(neurons, outputs, uses, samples))
