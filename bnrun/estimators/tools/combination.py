"""Base class of estimators that combine two others."""

from dataclasses import replace
from typing import Any, ClassVar, Self

from bnrun.core.fields import validated
from bnrun.core.neurons import Neuron
from bnrun.estimators.base import Estimator


@validated
class Combination(Estimator):
    """Two estimators for one layer, each with its own memory.

    first, second  estimators for the same neuron

    Raises ValueError if their neurons differ from `neuron`, or if one minimises a bound of several
    samples and the other the mean loss.
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (Neuron,)

    first: Estimator
    second: Estimator

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in ("first", "second"):
            neuron = getattr(self, part).neuron
            if neuron != self.neuron:
                raise ValueError(
                    f"estimator.{part}.neuron is {neuron}, but estimator.neuron is "
                    f"{self.neuron}: both parts must have the neuron of the whole"
                )

        if self.first.bound != self.second.bound:
            raise ValueError(
                "estimator.first and estimator.second have different objectives: only one of them "
                "minimises a bound of several samples (see estimator=vimco)"
            )

    @property
    def bound(self) -> int | None:
        return self.first.bound

    @property
    def unbiased(self) -> bool:
        return self.first.unbiased and self.second.unbiased

    def frozen(self) -> Self:
        return replace(self, first=self.first.frozen(), second=self.second.frozen())

    def state_dict(self) -> dict[str, Any]:
        return {"first": self.first.state_dict(), "second": self.second.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.first.load_state_dict(state["first"])
        self.second.load_state_dict(state["second"])
