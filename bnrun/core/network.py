"""What training, tasks and measurement call of a network with binary layers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise

Downstream = Callable[[Tensor], Tensor]
"""The rest of the network: activations [*S, R, B, U] -> loss per example [*S, R, B]."""

See = Callable[[int, slice, Tensor], Tensor]
"""Looks at logits, and may change them: (use, replicas, logits [*S, R', B, U]) -> logits.

Called whenever the logits of a use of a binary layer are computed, for all replicas together
(`EVERY`) or for some of them. It may add leading axes of samples to all uses alike.
"""

EVERY = slice(None)
"""All replicas."""

Parts = Tensor | Sequence[Tensor]
"""A tensor of all replicas, or one of each."""


class Fired:
    """A binary layer in one forward pass: its logits and activations, [*S, R, B, U].

    B is 1 if the layer is shared by the batch.

    neuron  which maps the logits to the distribution of the activations

    Both tensors may be given in R parts, [*S, 1, B, U] each, which are joined if they are read.
    Few tasks read them, and joining takes a tenth of a step of model=resnet.
    """

    def __init__(self, neuron: Neuron, logits: Parts, activations: Parts) -> None:
        self.neuron, self._logits, self._activations = neuron, logits, activations

    @property
    def logits(self) -> Tensor:
        self._logits = whole(self._logits)
        return self._logits

    @property
    def activations(self) -> Tensor:
        self._activations = whole(self._activations)
        return self._activations

    def __iter__(self) -> Iterator[Any]:
        return iter((self.neuron, self.logits, self.activations))


def whole(parts: Parts) -> Tensor:
    """[*S, 1, B, U] of each replica -> [*S, R, B, U]; a tensor is whole already."""
    if isinstance(parts, Tensor):
        return parts
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), -3)


class Pass(tuple[Fired, ...]):
    """One forward pass: all uses of binary layers, from first to last.

    outputs  of the network, [*S, R, B, O], if they are known from the pass; see `Network.outputs`
    """

    outputs: Tensor | None = None

    @property
    def rows(self) -> torch.Size:
        """The shape of one value per example, [*S, R, B]."""
        return (self[-1].activations if self.outputs is None else self.outputs).shape[:-1]

    def first_sample(self) -> "Pass":
        """The first sample of a pass with one axis of samples."""
        once = Pass(Fired(neuron, logits[0], bits[0]) for neuron, logits, bits in self)
        once.outputs = None if self.outputs is None else self.outputs[0]
        return once


class LayerEstimator(Protocol):
    """The part of an estimator that a network uses, so that wrappers of estimators fit as well."""

    @property
    def firing_neuron(self) -> Neuron: ...

    @property
    def nested(self) -> bool: ...

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor: ...


@runtime_checkable
class Activating(LayerEstimator, Protocol):
    """An estimator that is an activation function: it needs to know nothing of the loss."""

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        """Activations with their gradient, [*S, R, B, U]."""


class Firing(Protocol):
    """How a layer turns logits into activations: a method of its neuron."""

    def __call__(self, logits: Tensor, noise: Noise) -> Tensor: ...


class Forward(Protocol):
    """A forward pass on known inputs.

    neurons, firings  of each binary layer, e.g. its neuron and that neuron's `sampled`
    samples           number K of passes side by side, [K, R, B, ...]; None for one, [R, B, ...]
    """

    def __call__(
        self,
        neurons: Sequence[Neuron],
        firings: Sequence[Firing],
        noise: Noise,
        samples: int | None = None,
    ) -> Pass: ...


class Network(nn.Module, ABC):
    """R replicas of a net with binary layers; every parameter has a leading axis R.

    units  number U of units of each use of a binary layer, in the order of a pass
    uses   the layer, counted from 0, of each use. A recurrent net uses a layer more than once
    """

    units: tuple[int, ...]
    uses: tuple[int, ...]

    @property
    def shared(self) -> tuple[bool, ...]:
        """Whether the bits of each layer serve the whole batch, as those of weights do."""
        return (False,) * self.depth

    @property
    def signed(self) -> tuple[bool | None, ...]:
        """Whether the activations of each layer are -1 and +1; None leaves it to the neuron."""
        return (None,) * self.depth

    @property
    def depth(self) -> int:
        """Number of binary layers."""
        return max(self.uses) + 1

    @property
    def widest(self) -> int:
        """Units of the largest layer that is evaluated once per sample of the bits."""
        return max(self.units)

    @property
    def besides(self) -> int:
        """Values per example, besides activations, that each evaluation computes and keeps."""
        return 0

    @abstractmethod
    def losses(
        self,
        inputs: Tensor,
        estimators: Sequence[LayerEstimator],
        loss: Callable[[Pass], Tensor],
        noise: Noise,
        see: See | None = None,
    ) -> Tensor:
        """Loss per example of inputs [R, B, ...], [*S, R, B]; its gradient is the estimate.

        estimators  one per binary layer
        loss        of a pass, [*S, R, B]; estimators may evaluate it on any leading axes
        see         looks at all logits; S are the axes that it adds
        """

    @abstractmethod
    def passes(self, inputs: Tensor) -> Forward:
        """Forward passes on inputs [R, B, ...]; what they have in common is computed once."""

    @abstractmethod
    def outputs(self, inputs: Tensor, fired: Pass) -> Tensor:
        """Outputs for inputs [R, B, ...] after a pass through all binary layers, [*S, R, B, ...].

        fired  that pass
        """

    def filters(self) -> Tensor | None:
        """First-layer weights of the first replica as grey tiles, [N, H, W].

        None if the inputs are not images.
        """
        return None

    def by_layer(self, of_uses: Sequence[Tensor]) -> list[Tensor]:
        """A tensor [..., U] per use -> one per layer, with the units of its uses side by side."""
        if len(of_uses) == self.depth:
            return list(of_uses)
        pairs = list(zip(self.uses, of_uses, strict=True))
        return [
            torch.cat([values for used, values in pairs if used == layer], -1)
            for layer in range(self.depth)
        ]

    def after_update(self) -> None:
        """Called after each update of the weights, to put them back into their range."""

    @contextmanager
    def evaluating(self) -> Iterator[Self]:
        """In evaluation mode while the block runs."""
        training = self.training
        self.eval()
        try:
            yield self
        finally:
            self.train(training)
