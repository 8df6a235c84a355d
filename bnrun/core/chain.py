"""A network as a chain: stages with binary layers between them, and a head.

Each binary layer is handed to an estimator together with its downstream, the rest of the chain as
a function. `nest` builds these functions, the downstream of one layer inside that of the layer
before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bnrun.core.network import (
    EVERY,
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


class Chain(Network):
    """Stage k maps activations to the logits of binary layer k; the head maps to the outputs.

    stages    each [*S, R, B, ...] -> logits [*S, R, B, U_k]
    head      [*S, R, B, U_last] -> outputs [*S, R, B, ...]
    units     U_k of each binary layer
    """

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module, units: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head
        self.units = tuple(units)
        self.uses = tuple(range(len(self.units)))

    def losses(
        self,
        inputs: Tensor,
        estimators: Sequence[LayerEstimator],
        loss: Callable[[Pass], Tensor],
        noise: Noise,
        see: See | None = None,
    ) -> Tensor:
        stages: list[Callable[[Tensor], Tensor]] = list(self.stages)
        if see is not None:
            stages = [partial(_seen, see, layer, stage) for layer, stage in enumerate(stages)]
        return nest(stages, estimators, loss, noise)(inputs)

    def passes(self, inputs: Tensor) -> Forward:
        """Forward passes; the first layer's logits cost most, and are the same in all of them."""
        return partial(self._forward, self.stages[0](inputs))

    def outputs(self, inputs: Tensor, fired: Pass) -> Tensor:
        outputs: Tensor = self.head(fired[-1].activations)
        return outputs

    def _forward(
        self,
        first: Tensor,
        neurons: Sequence[Neuron],
        firings: Sequence[Firing],
        noise: Noise,
        samples: int | None = None,
    ) -> Pass:
        logits = first if samples is None else first.expand(samples, *first.shape)
        fired = [Fired(neurons[0], logits, firings[0](logits, noise))]
        layers = zip(list(self.stages)[1:], neurons[1:], firings[1:], strict=True)
        for stage, neuron, firing in layers:
            logits = stage(fired[-1].activations)
            fired.append(Fired(neuron, logits, firing(logits, noise)))
        return Pass(fired)


def _seen(see: See, layer: int, stage: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return see(layer, EVERY, stage(x))


def nest(
    stages: Sequence[Callable[[Tensor], Tensor]],
    estimators: Sequence[LayerEstimator],
    loss: Callable[[Pass], Tensor],
    noise: Noise,
) -> Downstream:
    """The network as one function from its inputs to the loss per example.

    Layer k has the logits stages[k](x) and the estimator estimators[k]. The downstream of layer k
    is the rest of the chain; that of the last layer is `loss`, which gets every layer of the pass.
    An estimator may call its downstream any number of times, on any leading sample axes. Nested
    estimators of K samples evaluate the loss K^L times for L layers. After an estimator that is
    not `nested`, the estimators of the later layers see the first of its samples only; the others
    continue with one draw per layer, without a gradient: L (K - 1) + 1 evaluations.
    """
    return _Rest(stages, estimators, loss, noise, fired=())


@dataclass
class _Rest:
    """The network after the layers that have fired already.

    Not a closure that refers to itself: such a cycle would keep each step's batch alive until the
    garbage collector runs, and the next batches would get memory that is not in the cache.
    """

    stages: Sequence[Callable[[Tensor], Tensor]]
    estimators: Sequence[LayerEstimator]
    loss: Callable[[Pass], Tensor]
    noise: Noise
    fired: tuple[Fired, ...]

    def __call__(self, activations: Tensor) -> Tensor:
        layer = len(self.fired)
        estimator, logits = self.estimators[layer], self.stages[layer](activations)

        def downstream(activations: Tensor) -> Tensor:
            fired = (*self.fired, Fired(estimator.firing_neuron, logits, activations))
            if len(fired) == len(self.stages):
                return self.loss(Pass(fired))
            if estimator.nested or activations.dim() == logits.dim():
                return replace(self, fired=fired)(activations)
            return self._along_first(fired)

        return estimator(logits, downstream, self.noise)

    def _along_first(self, fired: tuple[Fired, ...]) -> Tensor:
        """Losses [K, *S, R, B] after the K samples of the last of the layers that have fired.

        Each has the gradient of the first one, so that their mean has it as well. It is unbiased
        for the later layers, because the first sample has the layer's distribution, whatever the
        others are. So is each value for the loss after its own sample.
        """
        *before, last = fired
        neuron, logits, bits = last
        once = Fired(neuron, logits, bits[0])
        first = replace(self, fired=(*before, once))(bits[0])
        with torch.no_grad():
            others = self._drawn((*before, Fired(neuron, logits, bits[1:])))
        return _WithGradientOfFirst.apply(torch.cat([first.detach()[None], others]), first)  # type: ignore[no-untyped-call]  # torch's own

    def _drawn(self, fired: tuple[Fired, ...]) -> Tensor:
        """Losses [*S, R, B] of one draw of every later layer."""
        for layer in range(len(fired), len(self.stages)):
            neuron = self.estimators[layer].firing_neuron
            logits = self.stages[layer](fired[-1].activations)
            fired = (*fired, Fired(neuron, logits, neuron.sampled(logits, self.noise)))
        return self.loss(Pass(fired))


class _WithGradientOfFirst(torch.autograd.Function):
    """Values [K, *S, R, B], the gradient of each of which goes to `first` [*S, R, B]."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, first: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0].sum(0)
