"""The base classes of every task: what a net is asked for, its loss, and its scores."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from bnrun.core.network import Network, Pass
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.recording.result import Goal
from bnrun.tasks.tools.ways import Scores, evaluate_ways


class Observed(NamedTuple):
    """What a task logs about a net besides its scores, by tag. Everything is on the CPU.

    scalars     one value per replica, [R]
    histograms  values of each replica, [R, N]
    images      grey tiles [N, H, W] in [-1, 1], of the first replica
    """

    scalars: dict[str, Tensor]
    histograms: dict[str, Tensor]
    images: dict[str, Tensor]


class Task(ABC):
    """What a net is trained for, chosen by `task=`; this is all that the trainer calls.

    A subclass must set `goal` and define `outputs`, `loss` and `evaluate`; every other method has
    a default that does nothing. Most tasks have scores per example: they subclass `ScoredTask`,
    which defines `evaluate`.

    The calls come in this order: `prepared`, `outputs`, `begin`; then at every step `drawn`,
    `before_update`, `loss`, `after_update`; and between steps `evaluate` and `observed`.

    A batch is a Split with inputs [R, B, ...] and targets [R, B, ...]: R replicas, B examples. S
    stands for any number of leading sample axes, which an estimator may add to activations.

    The fields of a subclass are the keys of its yaml; `bnrun.core.fields.validated` checks their
    types and ranges, and makes the task immutable. A task that learns something itself is an
    ordinary class, and returns what it has learned from `state_dict`.
    """

    goal: ClassVar[Goal]
    """The score that a run is judged by."""

    @property
    def bound(self) -> int | None:
        """K if training minimises -log mean_k exp(-loss_k) over K samples; None: the mean loss."""
        return None

    def prepared(self, data: Data) -> Data:
        """Return the data as the net is to see them, e.g. images cut into inputs and targets.

        Raises ValueError if the task makes no sense for these data.
        """
        return data

    @abstractmethod
    def outputs(self, data: Data) -> int:
        """Return the number of values per example that the head computes, for prepared data."""

    def begin(self, model: Network, data: Data, seeds: Sequence[int]) -> None:  # noqa: B027  # optional
        """Called once, before training, with prepared data on the device of the model.

        Raises ValueError if the model does not suit the task.
        """

    def drawn(self, batch: Split, noise: Noise) -> Split:
        """Return the batch with what is sampled at each use, e.g. binarized images."""
        return batch

    def before_update(  # noqa: B027  # optional
        self, model: Network, neurons: Sequence[Neuron], step: int, batch: Split
    ) -> None:
        """Called before each update of the net, for what the task itself learns, e.g. a critic.

        step   number of the update, from 0
        batch  the batch of this update, as returned by `drawn`
        """

    def after_update(self, model: Network) -> None:  # noqa: B027  # optional
        """Called after each update of the net, to enforce constraints such as a maximum norm."""

    @abstractmethod
    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return the loss per example that training minimises, [*S, R, B].

        fired  the binary layers of this pass; `model.outputs(batch.inputs, fired)` are the outputs
        """

    @abstractmethod
    def evaluate(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise, samples: int
    ) -> Scores:
        """Return the mean scores of every replica over `split`: score -> way -> [R], on the CPU.

        samples  passes to average over in the way "averaged"
        """

    @torch.no_grad()
    def observed(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise
    ) -> Observed:
        """Return what else to log about the net on a split, e.g. samples as images."""
        return Observed({}, {}, {})

    def state_dict(self) -> dict[str, Any]:
        """Return everything the task has learned, as tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        assert not state, f"{type(self).__name__} keeps no state"


class ScoredTask(Task):
    """A task with scores per example, evaluated in every way (see bnrun.tasks.tools.ways).

    A subclass must set `goal` and define `outputs`, `loss`, `scores`, `evidence` and `averaged`.
    """

    @abstractmethod
    def scores(self, model: Network, batch: Split, fired: Pass) -> dict[str, Tensor]:
        """Return the scores per example of one pass, each [*S, R, B]; their mean is reported."""

    @abstractmethod
    def evidence(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return the logarithm of what is averaged over samples of the bits, [K, R, B, ...].

        For example the log-probability of every class: averaging K passes averages their
        predicted probabilities.
        """

    @abstractmethod
    def averaged(self, evidence: Tensor, samples: int, batch: Split) -> dict[str, Tensor]:
        """Return the scores per example of many passes together, each [R, B].

        evidence  logarithm of the sum, not the mean, of exp(evidence) over the passes, [R, B, ...]
        samples   number of passes
        """

    def evaluate(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise, samples: int
    ) -> Scores:
        return evaluate_ways(self, model, neurons, split, noise, samples)
