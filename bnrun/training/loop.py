"""The training loop: any chain, task, estimator and optimizer; it yields records."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from bnrun.config.settings import TrainerSettings
from bnrun.core.chain import Chain, Downstream, LayerEstimator, nest
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.data.batches import Batches
from bnrun.estimators.base import Estimator, Progress
from bnrun.measurement.instrument import Instrument
from bnrun.measurement.observation import (
    TappedEstimator,
    observe_units,
    parameter_gradient_norms,
    probe_batch,
    replica_norm,
)
from bnrun.recording import tags
from bnrun.recording.records import Record
from bnrun.recording.tags import ScoreName
from bnrun.tasks.base import Task
from bnrun.training.capture import Captured
from bnrun.training.evaluation import evaluate_splits
from bnrun.training.tally import Tally

MOVING = ("step", "lost")
"""Attributes of a training that its steps change, besides its parts."""


@dataclass
class Training:
    """Everything that moves while a net is trained, one replica per seed."""

    model: Chain
    task: Task
    estimators: Sequence[Estimator]
    optimizer: Optimizer
    scheduler: LRScheduler | None
    data: Data
    seeds: Sequence[int]
    settings: TrainerSettings
    instrument: Instrument | None = None

    def __post_init__(self) -> None:
        self.batches = Batches(self.data.train, self.seeds, self.settings.batch_size)
        self.noise = Noise(self.seeds)
        self.task_noise = Noise(self.seeds, "task")
        self.task.begin(self.model, self.data, self.seeds)
        self.parameters = list(self.model.parameters())
        self.total = self.settings.steps or self.settings.epochs * self.batches.steps_per_epoch
        self.evaluate_every = self._steps(self.settings.evaluate_every)
        self.measure_every = self._steps(self.instrument.every if self.instrument else 1.0)
        self.step = 0
        self.lost: list[int] = []
        self.started = time.perf_counter()
        self.pulse: Tensor | None = None
        self.tally = Tally(len(self.seeds), self.device)
        # Replicas share no parameter, so that each one gets the gradient of its own mean loss.
        examples = self.settings.batch_size
        self.shares = torch.full((len(self.seeds), examples), 1 / examples, device=self.device)
        captured = self.settings.capture and self.device.type == "cuda"
        self.captured = Captured(self.learn, self.optimizer) if captured else None

    def run(self, after_step: Callable[[], None] = lambda: None) -> Iterator[Record]:
        """Train to the end; yield a record wherever there is something to tell.

        `after_step` is called between steps, when all records of the last one have been taken:
        there the state may be saved, and an exception leaves a training that can go on.
        """

        def record(**parts: dict[str, Tensor]) -> Record:
            epoch = self.step / self.batches.steps_per_epoch
            return Record(self.step, epoch, self.seconds, **parts)

        if self.step == 0:
            yield record(**self.observed())
            yield from (record(scalars=scalars) for scalars in self.measured())
        while not self.ended:
            last = self.step + 1 == self.total
            if last or (self.step + 1) % self.settings.log_every == 0:
                yield record(scalars=self.watched_update())
            else:
                self.update(self.current_estimators())
            if self.ended or self.step % self.evaluate_every == 0:
                yield record(**self.observed())
            if self.ended or self.step % self.measure_every == 0:
                yield from (record(scalars=scalars) for scalars in self.measured())
            after_step()

    @property
    def device(self) -> torch.device:
        """Where the data, the net and all that is computed are."""
        return self.data.train.inputs.device

    @property
    def seconds(self) -> float:
        """Wall time since the start, without the pauses of a training that was stopped."""
        return time.perf_counter() - self.started

    @property
    def ended(self) -> bool:
        """Whether all steps are done, or too many replicas are lost to go on."""
        enough = 1 if self.settings.on_divergence == "stop" else len(self.seeds)
        return self.step >= self.total or len(self.lost) >= enough

    def state_dict(self) -> dict[str, Any]:
        """Everything that moves, as tensors and plain values.

        The order of the data and the noise of observations are functions of the step.
        """
        state = {name: getattr(self, name) for name in MOVING}
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return state | {"parts": parts, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        for name, part in self._parts().items():
            part.load_state_dict(state["parts"][name])
        for name in MOVING:
            setattr(self, name, state[name])
        self.started = time.perf_counter() - state["seconds"]
        if self.captured is not None:
            self.captured.forget()

    def update(self, estimators: Sequence[LayerEstimator]) -> None:
        """One step of every replica."""
        batch = self.task.drawn(self.batches.at(self.step), self.task_noise)
        firing = [estimator.firing_neuron for estimator in estimators]
        self.task.before_update(self.model, firing, self.step, batch)
        with held(self.parameters, self.lost):
            if self.captured is None:
                losses, pulse = self.learn(estimators, batch)
            else:
                losses, pulse = self.captured(self._constants(estimators), estimators, batch)
            self.task.after_update(self.model)
        self.tally.add(self.step, losses, pulse)
        self.step += 1
        if self.scheduler is not None and self.step % self._schedule_every == 0:
            self.scheduler.step()

    def learn(self, estimators: Sequence[LayerEstimator], batch: Split) -> tuple[Tensor, Tensor]:
        """Forward, backward, update: the losses [R, B], and each replica's pulse, [R]."""
        self.pulse = None
        losses = self.network(estimators, batch, self.noise)(batch.inputs)
        for parameter in self.parameters:
            parameter.grad = None
        losses.backward(self.shares)
        if self.settings.clip_norm is not None:
            clip_per_replica(self.parameters, self.settings.clip_norm)
        self.optimizer.step()
        assert self.pulse is not None  # a chain has a stage
        return losses.detach(), self.pulse

    def network(
        self, estimators: Sequence[LayerEstimator], batch: Split, noise: Noise
    ) -> Downstream:
        """The net as a function from inputs [R, B, ...] to the loss per example [R, B]."""
        stages = [self._followed(stage) for stage in self.model.stages]
        return nest(stages, estimators, partial(self.task.loss, self.model, batch), noise)

    def current_estimators(self) -> list[Estimator]:
        """The estimators with the slopes, temperatures, ... of this step."""
        progress = Progress(self.step, self.step // self.batches.steps_per_epoch)
        return [estimator.at(progress) for estimator in self.estimators]

    def watched_update(self) -> dict[str, Tensor]:
        """One step of every replica, and what there is to log about it; each value [R]."""
        rate = self.optimizer.param_groups[0]["lr"]
        estimators = self.current_estimators()
        watched = [TappedEstimator(estimator) for estimator in estimators]
        self.update(watched)
        scalars = {tags.TRAINING_LOSS: self.tally.mean()}
        for number, (layer, estimator) in enumerate(zip(watched, estimators, strict=True), start=1):
            scalars[tags.logits_gradient(number)] = layer.gradient_norm()
            for name, value in estimator.scalars().items():
                scalars[tags.schedule(number, name)] = self._constant(value)
        scalars |= parameter_gradient_norms(self.model)
        scalars[tags.LEARNING_RATE] = self._constant(rate)
        self.lost = (self.tally.diverged >= 0).nonzero().flatten().tolist()
        return {tag: value.detach().cpu() for tag, value in scalars.items()}

    def observed(self) -> dict[str, dict[str, Tensor]]:
        """What the nets do and can do as they stand, in the parts of a record."""
        neurons = [estimator.evaluation_neuron for estimator in self.current_estimators()]
        noise = Noise(self.seeds, "observation", self.step)
        probe = self.task.drawn(probe_batch(self.data.validation, self.seeds), noise)
        units = observe_units(self.model, neurons, probe.inputs, noise)
        scores = self._scores(neurons, noise)
        for slope in self.settings.evaluate_slopes:
            sloped = [replace(neuron, slope=slope) for neuron in neurons]
            again = Noise(self.seeds, "observation", self.step)
            for name, values in self._scores(sloped, again).items():
                if name.way != "thresholded":  # A threshold has no slope.
                    scores[name.at_slope(slope)] = values
        # A binary layer turns NaN into bits, so a diverged replica's scores would look sound.
        lost = (self.tally.diverged >= 0).cpu()
        scalars = {name.tag: v.masked_fill(lost, torch.nan) for name, v in scores.items()}
        seen = self.task.observed(self.model, neurons, self.data.validation, noise)
        return {
            "scalars": scalars | units["scalars"] | seen.scalars,
            "histograms": units["histograms"] | seen.histograms,
            "images": units["images"] | seen.images,
        }

    def _scores(self, neurons: Sequence[Neuron], noise: Noise) -> dict[ScoreName, Tensor]:
        settings = self.settings
        last = self.step == self.total
        samples = (last and settings.final_samples) or settings.samples
        examples = settings.final_examples if last else settings.evaluate_examples
        return evaluate_splits(self.model, neurons, self.task, self.data, noise, samples, examples)

    def measured(self) -> Iterator[dict[str, Tensor]]:
        """What the gradient instrument finds, where there is one."""
        if self.instrument is not None:
            yield self.instrument.measure(
                {tags.IN_USE: self.current_estimators()},
                (self.model, self.task, self.data.train),
                self.seeds,
                self.step,
                self.settings.batch_size,
            )

    def rehearse(self) -> None:
        """One forward pass of one example, to learn early what does not fit; changes nothing.

        Raises ValueError, for instance for more units than `exact` can enumerate.
        """
        with torch.no_grad():
            noise = Noise(self.seeds, "rehearsal")
            batch = Split(*(part[:, :1] for part in self.batches.at(0)))
            batch = self.task.drawn(batch, noise)
            frozen = [estimator.frozen() for estimator in self.estimators]
            self.network(frozen, batch, noise)(batch.inputs)

    def diverged_steps(self) -> dict[str, int]:
        """Seed -> number of updates after which its loss was no longer finite."""
        pairs = zip(self.seeds, self.tally.diverged.tolist(), strict=True)
        return {str(seed): step for seed, step in pairs if step >= 0}

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "noise": self.noise}
        parts |= {"task": self.task, "task_noise": self.task_noise, "tally": self.tally}
        layers = {f"layer{k}": layer for k, layer in enumerate(self.estimators, start=1)}
        return parts | layers | ({"scheduler": self.scheduler} if self.scheduler else {})

    def _steps(self, epochs: float) -> int:
        return max(1, round(min(epochs * self.batches.steps_per_epoch, 2.0**62)))

    @property
    def _schedule_every(self) -> int:
        return 1 if self.settings.schedule_per == "step" else self.batches.steps_per_epoch

    def _followed(self, stage: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """The stage, which also shows its replicas' pulse: finite while their weights are.

        A binary neuron answers NaN with a 0, so the loss does not tell. One example's logits do.
        """

        def logits_of(x: Tensor) -> Tensor:
            logits = stage(x)
            example = logits.detach().select(-2, 0).sum(-1)
            if example.dim() > 1:
                example = example.reshape(-1, len(self.seeds))[0]
            self.pulse = example if self.pulse is None else self.pulse + example
            return logits

        return logits_of

    def _constants(self, estimators: Sequence[LayerEstimator]) -> object:
        """What a step takes for fixed; None if it keeps more than weights, moments and noise."""
        plain = all(isinstance(e, Estimator) and not e.state_dict() for e in estimators)
        if not plain or self.task.state_dict():
            return None
        return list(estimators), [group["lr"] for group in self.optimizer.param_groups]

    def _constant(self, value: float) -> Tensor:
        return torch.full((len(self.seeds),), value)


@contextmanager
def held(parameters: Sequence[Tensor], replicas: list[int]) -> Iterator[None]:
    """While the block runs, the weights of these replicas stay what they are."""
    before = [parameter.detach()[replicas] for parameter in parameters] if replicas else []
    yield
    for parameter, old in zip(parameters, before, strict=False):
        parameter.detach()[replicas] = old


def clip_per_replica(parameters: Sequence[Tensor], norm: float) -> None:
    """Scale each replica's gradient down to the Euclidean norm `norm` where it is larger."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    total = torch.stack([replica_norm(gradient) for gradient in gradients]).norm(dim=0)
    factor = (norm / total).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))
