"""The training loop, for any network, task, estimator and optimizer. It yields records."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from bnrun.config.settings import TrainerSettings
from bnrun.core.network import Downstream, LayerEstimator, Network, See
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.data.batches import Batches
from bnrun.estimators.base import Estimator, Progress
from bnrun.measurement.instrument import Instrument
from bnrun.measurement.observation import Tap
from bnrun.recording import tags
from bnrun.recording.records import Record
from bnrun.tasks.base import Task
from bnrun.training.compiled import MOST
from bnrun.training.observe import Observer, update_scalars
from bnrun.training.rehearsal import rehearse
from bnrun.training.step import TrainStep
from bnrun.training.tally import Tally
from bnrun.training.uncompiled import uncompiled


@dataclass
class Training:
    """A training in progress, one replica per seed: its loop and its state."""

    model: Network
    task: Task
    estimators: Sequence[Estimator]
    optimizer: Optimizer
    scheduler: LRScheduler | None
    data: Data
    seeds: Sequence[int]
    settings: TrainerSettings
    instrument: Instrument | None = None

    def __post_init__(self) -> None:
        self.batches = Batches(
            self.data.train, self.seeds, self.settings.batch_size, self.data.augment
        )
        self.noise = Noise(self.seeds)
        self.task_noise = Noise(self.seeds, "task")
        self.task.begin(self.model, self.data, self.seeds)
        self.train_step = TrainStep(
            self.model, self.task, self.optimizer, self.noise, self.settings
        )
        self.observer = Observer(self.model, self.task, self.data, self.seeds, self.settings)
        self.tally = Tally(len(self.seeds), self.device)
        self.total = self.settings.steps or self.settings.epochs * self.batches.steps_per_epoch
        self.evaluate_every = self._steps(self.settings.evaluate_every)
        self.measure_every = self._steps(self.instrument.every if self.instrument else 1.0)
        per_step = self.settings.schedule_per == "step"
        self.schedule_every = 1 if per_step else self.batches.steps_per_epoch
        self.step = 0
        self.diverged: list[int] = []
        """Replicas that had diverged by the last logged step; their weights no longer change."""
        self.started = time.perf_counter()

    def run(self, after_step: Callable[[], None] = lambda: None) -> Iterator[Record]:
        """Train to the end; yield a record whenever there is something to log.

        `after_step` is called between steps, once all records of the last step have been taken.
        It may save the state, and may raise to stop a training that can be resumed.
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
                yield record(scalars=self.logged_update())
            else:
                self.update(self.current_estimators())
            if self.ended or self.step % self.evaluate_every == 0:
                yield record(**self.observed())
            if self.ended or self.step % self.measure_every == 0:
                yield from (record(scalars=scalars) for scalars in self.measured())
            after_step()

    @property
    def device(self) -> torch.device:
        """The device of the data, the net and all computation."""
        return self.data.train.inputs.device

    @property
    def seconds(self) -> float:
        """Wall time of the training, without the time between a stop and a resume."""
        return time.perf_counter() - self.started

    @property
    def ended(self) -> bool:
        """Whether all steps are done, or enough replicas have diverged to stop."""
        enough = 1 if self.settings.on_divergence == "stop" else len(self.seeds)
        return self.step >= self.total or len(self.diverged) >= enough

    def update(self, estimators: Sequence[Estimator], tap: See | None = None) -> None:
        """One step of every replica; `tap` sees all logits."""
        batch = self.task.drawn(self.batches.at(self.step), self.task_noise)
        firing = [estimator.firing_neuron for estimator in estimators]
        self.task.before_update(self.model, firing, self.step, batch)
        losses, finite_probe = self.train_step(estimators, batch, self.diverged, tap)
        self.tally.add(self.step, losses, finite_probe)
        self.step += 1
        if self.scheduler is not None and self.step % self.schedule_every == 0:
            self.scheduler.step()

    def logged_update(self) -> dict[str, Tensor]:
        """One step of every replica, and scalars about it by tag, each [R]."""
        rate = self.optimizer.param_groups[0]["lr"]
        tap = Tap(self.model, self.current_estimators())
        self.update(tap.estimators, tap)
        scalars = update_scalars(self.model, tap, self.tally.mean(), rate)
        self.diverged = (self.tally.diverged_at >= 0).nonzero().flatten().tolist()
        return scalars

    def observed(self) -> dict[str, dict[str, Tensor]]:
        """Scores, units and images of the nets as they are: the parts of a record."""
        neurons = [estimator.evaluation_neuron for estimator in self.current_estimators()]
        diverged = (self.tally.diverged_at >= 0).cpu()
        return self.observer.observe(neurons, self.step, self.step == self.total, diverged)

    def measured(self) -> Iterator[dict[str, Tensor]]:
        """The gradient instrument's scalars by tag, if there is an instrument."""
        if self.instrument is not None:
            yield self.instrument.measure(
                {tags.IN_USE: self.current_estimators()},
                (self.model, self.task, self.data.train),
                self.seeds,
                self.step,
                self.settings.batch_size,
            )

    def current_estimators(self) -> list[Estimator]:
        """The estimators with the slopes, temperatures, ... of this step."""
        return self._estimators_at(self.step)

    def _estimators_at(self, step: int) -> list[Estimator]:
        progress = Progress(step, step // self.batches.steps_per_epoch)
        return [estimator.at(progress) for estimator in self.estimators]

    def network(
        self, estimators: Sequence[LayerEstimator], batch: Split, noise: Noise
    ) -> Downstream:
        """The net as a function from inputs [R, B, ...] to the loss per example [R, B]."""
        loss = partial(self.task.loss, self.model, batch)
        return lambda inputs: self.model.losses(inputs, estimators, loss, noise)

    def rehearse(self) -> None:
        """Try a few examples, to find early what does not fit; changes nothing.

        Raises ValueError, for instance for weights that seeds share, see bnrun.training.rehearsal.
        """
        batch, validation = self.batches.at(0), self.data.validation
        rehearse(self.model, self.task, self.estimators, batch, validation, self.seeds)
        if self.train_step.compiled is not None:
            first = range(min(self.total, 2 * MOST))
            steps = [*first, *range(len(first), self.total, self.batches.steps_per_epoch)]
            batch = self.task.drawn(batch, Noise(self.seeds, "rehearsal"))
            self.train_step.compiled.prepare(map(self._estimators_at, steps), batch)

    def diverged_steps(self) -> dict[str, int]:
        """Seed -> number of updates before the first one with a loss that is not finite."""
        pairs = zip(self.seeds, self.tally.diverged_at.tolist(), strict=True)
        return {str(seed): step for seed, step in pairs if step >= 0}

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors and plain values.

        The order of the data and the noise of observations are functions of the step.
        """
        with uncompiled(type(self.optimizer)):
            parts = {name: part.state_dict() for name, part in self._parts().items()}
        # "lost" is the name of `diverged` in checkpoints; a new one would orphan existing ones.
        state: dict[str, Any] = {"step": self.step, "lost": self.diverged, "parts": parts}
        return state | {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict()`."""
        for name, part in self._parts().items():
            with uncompiled(type(part)):
                part.load_state_dict(state["parts"][name])
        self.step, self.diverged = state["step"], state["lost"]
        self.started = time.perf_counter() - state["seconds"]
        if self.train_step.captured is not None:
            self.train_step.captured.forget()

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "noise": self.noise}
        parts |= {"task": self.task, "task_noise": self.task_noise, "tally": self.tally}
        layers = {f"layer{k}": layer for k, layer in enumerate(self.estimators, start=1)}
        optional = {"scheduler": self.scheduler, "instrument": self.instrument}
        return parts | layers | {name: part for name, part in optional.items() if part is not None}

    def _steps(self, epochs: float) -> int:
        return max(1, round(min(epochs * self.batches.steps_per_epoch, 2.0**62)))
