"""What a model is: stages with binary layers between them, and a head."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise

Downstream = Callable[[Tensor], Tensor]
"""The rest of the network: activations [*S, R, B, U] -> loss per example [*S, R, B]."""


class Fired(NamedTuple):
    """A binary layer as one pass has used it: logits and activations, [*S, R, B, U].

    neuron  whose law the activations follow, given the logits
    """

    neuron: Neuron
    logits: Tensor
    activations: Tensor


class Chain(nn.Module):
    """Stage k maps activations to the logits of binary layer k; the head maps to the outputs.

    stages    each [*S, R, B, ...] -> logits [*S, R, B, U_k]
    head      [*S, R, B, U_last] -> outputs [*S, R, B, ...]
    units     of each binary layer
    """

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module, units: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head
        self.units = tuple(units)

    @property
    def widest(self) -> int:
        """Units of the largest layer that is made for each sample of the bits."""
        return max(self.units)

    def outputs(self, inputs: Tensor, fired: Sequence[Fired]) -> Tensor:
        """What the net says about inputs [R, B, ...] at the end of one pass, [*S, R, B, ...]."""
        said: Tensor = self.head(fired[-1].activations)
        return said

    def filters(self) -> Tensor | None:
        """First-layer weights of the first replica as grey tiles, [N, H, W]; None if no image."""
        return None


class Serving(Protocol):
    """What serves a layer: an estimator, or something that looks at one at work."""

    @property
    def firing_neuron(self) -> Neuron: ...

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor: ...


def nest(
    stages: Sequence[Callable[[Tensor], Tensor]],
    estimators: Sequence[Serving],
    loss: Callable[[Sequence[Fired]], Tensor],
    noise: Noise,
) -> Downstream:
    """The network as one function from its inputs to the loss per example.

    Layer k has the logits stages[k](x) and is served by estimators[k]; its downstream is the rest
    of the chain, and the last downstream is `loss`, which is told every layer of its pass. So an
    estimator may call its downstream as often, and on as many leading axes, as it likes.
    """
    # Not a closure that calls itself: such a cycle would keep each step's batch until the
    # collector of garbage comes by, and the next batches out of the memory that is still in cache.
    return partial(_pass, stages, estimators, loss, noise, ())


def _pass(
    stages: Sequence[Callable[[Tensor], Tensor]],
    estimators: Sequence[Serving],
    loss: Callable[[Sequence[Fired]], Tensor],
    noise: Noise,
    passed: tuple[Fired, ...],
    inputs: Tensor,
) -> Tensor:
    stage, estimator = stages[len(passed)], estimators[len(passed)]
    logits = stage(inputs)

    def downstream(activations: Tensor) -> Tensor:
        fired = (*passed, Fired(estimator.firing_neuron, logits, activations))
        if len(fired) == len(stages):
            return loss(fired)
        return _pass(stages, estimators, loss, noise, fired, activations)

    return estimator(logits, downstream, noise)
