"""The contract of an estimator, and the few tools that its members share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from bnrun.fields import validated
from bnrun.neurons import SBN, BinaryNeuron, Neuron
from bnrun.noise import Noise

Downstream = Callable[[Tensor], Tensor]
"""The rest of the network: activations [*S, R, B, U] -> loss per example [*S, R, B]."""


class Progress(NamedTuple):
    """How far a training is: updates done and passes over the training data begun."""

    step: int
    epoch: int


@validated
class Estimator(ABC):
    """Which gradient goes back through one binary layer.

    A subclass writes `__call__`; everything else has a default. Raises ValueError on construction
    for a neuron that it cannot serve.
    """

    neuron: Neuron

    accepts: ClassVar[tuple[type[Neuron], ...]] = (SBN,)
    """Neurons that the estimator has a meaning for."""
    unbiased: ClassVar[bool] = False
    """Whether the mean of the estimate is the exact gradient on every downstream."""
    instead: ClassVar[str] = (
        "choose neuron=sbn, or an estimator that needs no sampling, like estimator=sigmoid_st"
    )
    """What to do for a neuron that is not accepted."""

    def __post_init__(self) -> None:
        if not isinstance(self.neuron, self.accepts):
            raise ValueError(
                f"estimator {type(self).__name__} has no meaning for neuron "
                f"{type(self.neuron).__name__}: {self.instead}"
            )

    @abstractmethod
    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        """A loss whose autograd gradient is the estimate.

        logits      [*S, R, B, U], any strides, float32 or float64
        downstream  activations [*S', R, B, U] -> loss per example [*S', R, B]
        noise       source of uniforms, one stream per replica

        Returns [*S, R, B]: its value is the sampled (or exact) loss.
        """

    def at(self, progress: Progress) -> "Estimator":
        """The estimator to use at that point of a training; itself unless it has a schedule."""
        return self

    def frozen(self) -> Self:
        """The same estimate without learning from what it sees; itself unless it learns."""
        return self

    def scalars(self) -> dict[str, float]:
        """What a schedule moves, by name, for the curves."""
        return {}

    @property
    def firing_neuron(self) -> Neuron:
        """The neuron whose law the bits of the training follow."""
        return self.neuron

    @property
    def evaluation_neuron(self) -> Neuron:
        """The neuron that a net trained with this estimator is evaluated with."""
        return self.neuron

    def state_dict(self) -> dict[str, Any]:
        """Everything learned or averaged so far, as tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        assert not state, f"{type(self).__name__} keeps no state"


def fire(neuron: Neuron, logits: Tensor, noise: Noise) -> Tensor:
    """Bits of a neuron that the estimator has accepted as a binary one, [*S, R, B, U]."""
    assert isinstance(neuron, BinaryNeuron)
    return neuron.fire(logits, noise)


class _WithDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activations: Tensor, logits: Tensor, multiplier: Tensor) -> Tensor:
        ctx.save_for_backward(multiplier)
        return activations.view_as(activations)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        (multiplier,) = ctx.saved_tensors
        return None, grads[0] * multiplier, None


def with_derivative(activations: Tensor, logits: Tensor, multiplier: Tensor) -> Tensor:
    """`activations` with the made-up derivative d activation / d logit = multiplier.

    All [*S, R, B, U]. The value is untouched to the bit, whatever the logits are.
    """
    return _WithDerivative.apply(activations, logits, multiplier.detach())  # type: ignore[no-untyped-call]  # torch's own


class _PassedTo(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activations: Tensor, surrogate: Tensor) -> Tensor:
        return activations.view_as(activations)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]


def with_gradient_of(activations: Tensor, surrogate: Tensor) -> Tensor:
    """`activations` whose gradient goes to `surrogate` as it is, both [*S, R, B, U]."""
    return _PassedTo.apply(activations, surrogate)  # type: ignore[no-untyped-call]  # torch's own


class _Injected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.view_as(loss)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return grads[0], grads[0].unsqueeze(-1) * gradient, None


def inject(loss: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """`loss` [*S, R, B] with `gradient` [*S, R, B, U] added to its derivative by the logits.

    The value of the loss is untouched, and so is what it already backpropagates.
    """
    return _Injected.apply(loss, logits, gradient.detach())  # type: ignore[no-untyped-call]  # torch's own


class Fired(NamedTuple):
    """A binary layer as one pass has used it: logits and activations, [*S, R, B, U].

    neuron  whose law the activations follow, given the logits
    """

    neuron: Neuron
    logits: Tensor
    activations: Tensor


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
