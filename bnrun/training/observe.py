"""What a training logs: scores and units of the nets as they are, and single updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bnrun.config.settings import TrainerSettings
from bnrun.core.network import Network
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data
from bnrun.measurement.observation import (
    Tap,
    observe_units,
    parameter_gradient_norms,
    probe_batch,
)
from bnrun.recording import tags
from bnrun.recording.tags import ScoreName
from bnrun.tasks.base import Task
from bnrun.training.evaluation import evaluate_splits


def update_scalars(model: Network, tap: Tap, loss: Tensor, rate: float) -> dict[str, Tensor]:
    """Scalars about the last update by tag, each [R], on the CPU.

    tap   saw the logits in it
    loss  mean training loss since the last logged update, [R]
    rate  learning rate of the update
    """

    def constant(value: float) -> Tensor:
        return torch.full((len(loss),), value)

    scalars = {tags.TRAINING_LOSS: loss}
    for layer, estimator in enumerate(tap.estimators):
        number, norm = layer + 1, tap.gradient_norm(layer, len(loss))
        if norm is not None:
            scalars[tags.logits_gradient(number)] = norm
        for name, value in estimator.scalars().items():
            scalars[tags.schedule(number, name)] = constant(value)
    scalars |= parameter_gradient_norms(model)
    scalars[tags.LEARNING_RATE] = constant(rate)
    return {tag: value.detach().cpu() for tag, value in scalars.items()}


@dataclass(frozen=True)
class Observer:
    """Evaluates nets and looks at their units.

    Its noise is a function of the seeds and the step, so observing does not affect the training.
    """

    model: Network
    task: Task
    data: Data
    seeds: Sequence[int]
    settings: TrainerSettings

    def observe(
        self, neurons: Sequence[Neuron], step: int, last: bool, diverged: Tensor
    ) -> dict[str, dict[str, Tensor]]:
        """Scalars, histograms and images of a record.

        neurons   to evaluate with, one per layer
        last      whether this is the last evaluation, which may use more examples and samples
        diverged  which replicas get NaN as scores, bool [R]
        """
        with self.model.evaluating():
            return self._observe(neurons, step, last, diverged)

    def _observe(
        self, neurons: Sequence[Neuron], step: int, last: bool, diverged: Tensor
    ) -> dict[str, dict[str, Tensor]]:
        noise = Noise(self.seeds, "observation", step)
        probe = self.task.drawn(probe_batch(self.data.validation, self.seeds), noise)
        units = observe_units(self.model, neurons, probe.inputs, noise)
        scores = self._scores(neurons, noise, last)
        for slope in self.settings.evaluate_slopes:
            sloped = [replace(neuron, slope=slope) for neuron in neurons]
            same_noise = Noise(self.seeds, "observation", step)
            for name, values in self._scores(sloped, same_noise, last).items():
                if name.way != "thresholded":  # A threshold does not depend on the slope.
                    scores[name.at_slope(slope)] = values
        # A binary layer maps NaN to bits, so a diverged replica's scores would look valid.
        scalars = {
            name.tag: values.masked_fill(diverged, torch.nan) for name, values in scores.items()
        }
        if any(self.model.shared):
            scalars |= _gaps(scalars, self.task.goal["score"])
        more = self.task.observed(self.model, neurons, self.data.validation, noise)
        return {
            "scalars": scalars | units["scalars"] | more.scalars,
            "histograms": units["histograms"] | more.histograms,
            "images": units["images"] | more.images,
        }

    def _scores(
        self, neurons: Sequence[Neuron], noise: Noise, last: bool
    ) -> dict[ScoreName, Tensor]:
        settings = self.settings
        samples = (last and settings.final_samples) or settings.samples
        examples = settings.final_examples if last else settings.evaluate_examples
        return evaluate_splits(self.model, neurons, self.task, self.data, noise, samples, examples)


def _gaps(scalars: Mapping[str, Tensor], score: str) -> dict[str, Tensor]:
    """What hardening weights or gates costs: the score of their means, minus that of their bits."""
    gaps = {}
    for split in tags.SPLITS:
        soft = scalars.get(ScoreName(split, score, "mean_field").tag)
        hard = scalars.get(ScoreName(split, score, "thresholded").tag)
        if soft is not None and hard is not None:
            gaps[tags.gap(score, split)] = soft - hard
    return gaps
