"""A network as a chain: stages with binary layers between them, and a head.

Each binary layer is handed to an estimator together with its downstream, the rest of the chain as
a function. `nest` builds these functions, the downstream of one layer inside that of the layer
before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise

Downstream = Callable[[Tensor], Tensor]
"""The rest of the network: activations [*S, R, B, U] -> loss per example [*S, R, B]."""


class Fired(NamedTuple):
    """A binary layer in one forward pass: its logits and activations, [*S, R, B, U].

    neuron  which maps the logits to the distribution of the activations
    """

    neuron: Neuron
    logits: Tensor
    activations: Tensor


class Chain(nn.Module):
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

    @property
    def widest(self) -> int:
        """Units of the largest layer that is evaluated once per sample of the bits."""
        return max(self.units)

    def outputs(self, inputs: Tensor, fired: Sequence[Fired]) -> Tensor:
        """Outputs for inputs [R, B, ...] after a pass through all binary layers, [*S, R, B, ...].

        fired  the binary layers of that pass, from the first to the last
        """
        outputs: Tensor = self.head(fired[-1].activations)
        return outputs

    def filters(self) -> Tensor | None:
        """First-layer weights of the first replica as grey tiles, [N, H, W].

        None if the inputs are not images.
        """
        return None


class LayerEstimator(Protocol):
    """The part of an estimator that a chain uses, so that wrappers of estimators fit as well."""

    @property
    def firing_neuron(self) -> Neuron: ...

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor: ...


def nest(
    stages: Sequence[Callable[[Tensor], Tensor]],
    estimators: Sequence[LayerEstimator],
    loss: Callable[[Sequence[Fired]], Tensor],
    noise: Noise,
) -> Downstream:
    """The network as one function from its inputs to the loss per example.

    Layer k has the logits stages[k](x) and the estimator estimators[k]. The downstream of layer k
    is the rest of the chain; that of the last layer is `loss`, which gets every layer of the pass.
    An estimator may call its downstream any number of times, on any leading sample axes.
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
    loss: Callable[[Sequence[Fired]], Tensor]
    noise: Noise
    fired: tuple[Fired, ...]

    def __call__(self, activations: Tensor) -> Tensor:
        layer = len(self.fired)
        estimator, logits = self.estimators[layer], self.stages[layer](activations)

        def downstream(activations: Tensor) -> Tensor:
            fired = (*self.fired, Fired(estimator.firing_neuron, logits, activations))
            if len(fired) == len(self.stages):
                return self.loss(fired)
            return replace(self, fired=fired)(activations)

        return estimator(logits, downstream, self.noise)
