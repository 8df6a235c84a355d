"""What a task is: what goes in and comes out of a net, one loss per example, and the scores."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, TypedDict

import torch
from torch import Tensor

from bnrun.core.chain import Chain, Fired
from bnrun.core.fields import validated
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.tasks.tools.ways import Scores, in_every_way

Pass = Sequence[Fired]
"""All binary layers of a net as one pass has used them, from the first to the last."""


class Goal(TypedDict):
    """What a run of a task is judged by.

    score             name of the score
    way               of evaluating; None for the neuron's own: a DBN's "thresholded", else
                      "sampled"
    larger_is_better  whether more of it is better
    """

    score: str
    way: str | None
    larger_is_better: bool


class Observed(NamedTuple):
    """What there is to see of a net besides its scores, as in a record."""

    scalars: dict[str, Tensor]
    histograms: dict[str, Tensor]
    images: dict[str, Tensor]


@validated
class Task(ABC):
    """One loss per example, and scores. A subclass writes `outputs`, `loss`, and for its scores
    either `scores`, `evidence` and `averaged` or `evaluate`; the rest has a default.

    A batch is a Split with inputs [R, B, ...] and targets [R, B, ...]. Everything may have
    leading sample axes S as well.
    """

    goal: ClassVar[Goal]

    def prepared(self, data: Data) -> Data:
        """The data as the task sees them, e.g. images cut into inputs and targets.

        Raises ValueError for data that the task has no meaning for.
        """
        return data

    @abstractmethod
    def outputs(self, data: Data) -> int:
        """How many values the head of the model gives per example, for prepared data."""

    def begin(self, model: Chain, data: Data, seeds: Sequence[int]) -> None:  # noqa: B027  # optional
        """Called once before everything else; raises ValueError for a model that does not fit."""

    def drawn(self, batch: Split, noise: Noise) -> Split:
        """The batch with what is drawn afresh at each step, e.g. a binarization of the images."""
        return batch

    def before_update(  # noqa: B027  # optional
        self, model: Chain, neurons: Sequence[Neuron], step: int, batch: Split
    ) -> None:
        """What the task itself learns before the net's update number `step`, counted from 0.

        batch  the one of that update, as drawn
        """

    def after_update(self, model: Chain) -> None:  # noqa: B027  # optional
        """What holds for the weights at all times, e.g. a largest norm."""

    @abstractmethod
    def loss(self, model: Chain, batch: Split, fired: Pass) -> Tensor:
        """The loss per example that training minimises, [*S, R, B]."""

    def scores(self, model: Chain, batch: Split, fired: Pass) -> dict[str, Tensor]:
        """Scores per example of one pass, each [*S, R, B]; their mean is reported."""
        raise NotImplementedError

    def evidence(self, model: Chain, batch: Split, fired: Pass) -> Tensor:
        """Logarithms that are averaged over samples of the bits, [K, R, B, ...]."""
        raise NotImplementedError

    def averaged(self, evidence: Tensor, samples: int, batch: Split) -> dict[str, Tensor]:
        """Scores per example, each [R, B], from the log of a sum over `samples` samples."""
        raise NotImplementedError

    def evaluate(
        self, model: Chain, neurons: Sequence[Neuron], split: Split, noise: Noise, samples: int
    ) -> Scores:
        """Mean scores of every replica over the examples of `split`: score -> way -> [R]."""
        return in_every_way(self, model, neurons, split, noise, samples)

    @torch.no_grad()
    def observed(
        self, model: Chain, neurons: Sequence[Neuron], split: Split, noise: Noise
    ) -> Observed:
        """What else there is to see of the net, e.g. samples as images; all on the CPU."""
        return Observed({}, {}, {})

    def state_dict(self) -> dict[str, Any]:
        """Everything that the task has learnt, as tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        assert not state, f"{type(self).__name__} keeps no state"
