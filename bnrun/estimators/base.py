"""The contract of an estimator."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

from torch import Tensor

from bnrun.core.chain import Downstream
from bnrun.core.fields import validated
from bnrun.core.neurons import SBN, BinaryNeuron, Neuron
from bnrun.core.noise import Noise


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
