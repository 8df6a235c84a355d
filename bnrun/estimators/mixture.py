"""A convex mixture of two estimators."""

from dataclasses import replace
from typing import Self

from torch import Tensor

from bnrun.core.fields import UnitInterval, validated
from bnrun.core.network import Downstream
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Progress
from bnrun.estimators.tools.combination import Combination


@validated
class Mixture(Combination):
    """A weighted mean of the losses, and so of all gradients, of two estimators.

    forward:  weight * first + (1 - weight) * second, each with its own noise
    backward: weight * first + (1 - weight) * second
    Exact: where both parts are. Unbiased if both are; the bias of a part is scaled by its weight.
    Cost: that of both parts.

    weight  of the first, in [0, 1]

    Raises ValueError as Combination does, or if a part is not `nested`.

    Source: none needed, the mean is linear.
    """

    weight: UnitInterval = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in ("first", "second"):
            if not getattr(self, part).nested:
                raise ValueError(
                    f"estimator.{part}.nested=false: leave it out in a mixture, whose parts share "
                    f"what follows"
                )

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        first = self.first(logits, downstream, noise)
        second = self.second(logits, downstream, noise)
        return self.weight * first + (1 - self.weight) * second

    def at(self, progress: Progress) -> Self:
        return replace(self, first=self.first.at(progress), second=self.second.at(progress))

    def scalars(self) -> dict[str, float]:
        parts = {"first": self.first, "second": self.second}
        return {
            f"{part}/{name}": value
            for part, estimator in parts.items()
            for name, value in estimator.scalars().items()
        }

    @property
    def evaluation_neuron(self) -> Neuron:
        """The evaluation neuron of the first estimator."""
        return self.first.evaluation_neuron
