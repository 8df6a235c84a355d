"""The interface of an estimator."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import Field
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.neurons import SBN, BinaryNeuron, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.tools.contract import checked


class Progress(NamedTuple):
    """How far the training is: updates done, and epochs started."""

    step: int
    epoch: int


@validated
class Estimator(ABC):
    """Estimates the gradient through one binary layer.

    A subclass writes `__call__`; everything else has a default. The constructor raises ValueError
    for a neuron that the estimator does not support.
    """

    neuron: Neuron

    accepts: ClassVar[tuple[type[Neuron], ...]] = (SBN,)
    """Supported classes of neurons."""
    instead: ClassVar[str] = (
        "choose neuron=sbn, or an estimator that needs no sampling, e.g. estimator=sigmoid_st"
    )
    """How the error for an unsupported neuron ends: what to do instead."""

    def __init_subclass__(cls) -> None:
        """Have every call of a subclass checked where it is entered."""
        super().__init_subclass__()
        if "__call__" in cls.__dict__:
            setattr(cls, "__call__", checked(cls.__call__))  # noqa: B010  # mypy: a method

    def __post_init__(self) -> None:
        if not isinstance(self.neuron, self.accepts):
            raise ValueError(
                f"{type(self).__name__} does not support neuron {type(self.neuron).__name__}: "
                f"{self.instead}"
            )

    @property
    def unbiased(self) -> bool:
        """Whether the mean of the estimate is the exact gradient for every downstream.

        A subclass that is unbiased says `unbiased = True`.
        """
        return False

    @property
    def nested(self) -> bool:
        """Whether the estimators of later layers see all samples of this one, or the first only."""
        return True

    @property
    def bound(self) -> int | None:
        """K if it minimises the bound of K samples, -log mean_k exp(-loss_k); None: the mean loss.

        Such an estimator serves nets with a single binary layer, and tasks with the same `bound`.
        """
        return None

    @abstractmethod
    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        """A loss whose autograd gradient is the estimate.

        logits      [*S, R, B, U], any strides, float32 or float64
        downstream  activations [*S', R, B, U] -> loss per example [*S', R, B]
        noise       source of uniforms, one stream per replica

        Returns [*S, R, B], whose value is the sampled (or exact) loss.
        """

    def at(self, progress: Progress) -> "Estimator":
        """The estimator to use at this point of the training; itself if it has no schedule."""
        return self

    def frozen(self) -> Self:
        """An estimator that gives the same estimates and does not learn from them."""
        return self

    def scalars(self) -> dict[str, float]:
        """Values to log that change during training, by name, e.g. an annealed slope."""
        return {}

    @property
    def firing_neuron(self) -> Neuron:
        """The neuron that fires the bits in training."""
        return self.neuron

    @property
    def evaluation_neuron(self) -> Neuron:
        """The neuron with which a net trained by this estimator is evaluated."""
        return self.neuron

    def state_dict(self) -> dict[str, Any]:
        """Everything learned or averaged so far, as tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict()` returned."""
        assert not state, f"{type(self).__name__} keeps no state"


@validated
class ActivationEstimator(Estimator):
    """An estimator that evaluates downstream once, at activations that have a gradient.

    A subclass writes `activate`. Such an estimator is an activation function, which needs to know
    nothing of the loss: `bnrun.Binary` puts it into any model.
    """

    @abstractmethod
    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        """Activations with the gradient that goes back to the logits, both [*S, R, B, U]."""

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        return downstream(self.activate(logits, noise))


@validated
class SamplesEstimator(Estimator):
    """An estimator that evaluates downstream at K samples at once, and returns their mean loss.

    Each of them, [K, *S, R, B, U], has the distribution of the layer, and the estimate is linear
    in their losses.

    nested  whether the estimators of later layers see all K samples, K^L evaluations for L layers;
            if not, they see the first one, and the others continue with one draw, L (K - 1) + 1
            evaluations. Both are unbiased where the estimator is
    """

    nested: bool = Field(default=True, kw_only=True)


def fire(neuron: Neuron, logits: Tensor, noise: Noise) -> Tensor:
    """The bits of a binary neuron, [*S, R, B, U]."""
    assert isinstance(neuron, BinaryNeuron)
    return neuron.fire(logits, noise)
