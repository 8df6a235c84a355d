"""One training step: forward, backward and update of all replicas at once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch.optim import Optimizer

from bnrun.config.settings import TrainerSettings
from bnrun.core.chain import Chain, LayerEstimator, nest
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.estimators.base import Estimator
from bnrun.measurement.observation import replica_norm
from bnrun.tasks.base import Task
from bnrun.training.capture import Captured


class TrainStep:
    """Updates the weights of R replicas by one batch.

    noise  the streams that the estimators draw from

    With settings.capture on a CUDA device, steps are recorded and replayed as a graph.
    """

    def __init__(
        self,
        model: Chain,
        task: Task,
        optimizer: Optimizer,
        noise: Noise,
        settings: TrainerSettings,
    ) -> None:
        self.model, self.task, self.optimizer, self.noise = model, task, optimizer, noise
        self.clip_norm = settings.clip_norm
        self.parameters = list(model.parameters())
        device = self.parameters[0].device
        # Weights of a sum of losses [R, B] whose gradient is that of each replica's mean loss,
        # because replicas share no parameter.
        examples = settings.batch_size
        self.mean_weights = torch.full((len(noise.seeds), examples), 1 / examples, device=device)
        capture = settings.capture and device.type == "cuda"
        self.captured = Captured(self.learn, optimizer) if capture else None

    def __call__(
        self, estimators: Sequence[LayerEstimator], batch: Split, hold: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """One update; the losses [R, B] and a finite probe [R], see `FiniteProbe`.

        hold  indices of replicas whose weights must not change

        With capture, the next call may overwrite the results.
        """
        with hold_replicas(self.parameters, hold):
            if self.captured is None:
                results = self.learn(estimators, batch)
            else:
                results = self.captured(self._constants(estimators), estimators, batch)
            self.task.after_update(self.model)
        return results

    def learn(self, estimators: Sequence[LayerEstimator], batch: Split) -> tuple[Tensor, Tensor]:
        """Forward, backward, clip and update; the losses [R, B] and the finite probe [R]."""
        probe = FiniteProbe(len(self.noise.seeds))
        stages = [probe.watch(stage) for stage in self.model.stages]
        loss = partial(self.task.loss, self.model, batch)
        losses = nest(stages, estimators, loss, self.noise)(batch.inputs)
        for parameter in self.parameters:
            parameter.grad = None
        losses.backward(self.mean_weights)
        if self.clip_norm is not None:
            clip_per_replica(self.parameters, self.clip_norm)
        self.optimizer.step()
        return losses.detach(), probe.value

    def _constants(self, estimators: Sequence[LayerEstimator]) -> object:
        """What a recorded step bakes in.

        None if a step changes more than weights, optimizer moments and noise, or if something
        wraps the estimators: such a step cannot be recorded.
        """
        plain = all(isinstance(e, Estimator) and not e.state_dict() for e in estimators)
        if not plain or self.task.state_dict():
            return None
        return list(estimators), [group["lr"] for group in self.optimizer.param_groups]


class FiniteProbe:
    """Sums the logits of one example over all stages, per replica.

    The sum is finite as long as the weights are. The loss may be finite even if they are not,
    because binary neurons map a NaN to 0.
    """

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas
        self._sum: Tensor | None = None

    @property
    def value(self) -> Tensor:
        """The sum so far, [R]."""
        assert self._sum is not None  # a chain has at least one stage
        return self._sum

    def watch(self, stage: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """The stage, whose logits [*S, R, B, U] are added to the sum on every call."""

        def watched(x: Tensor) -> Tensor:
            logits = stage(x)
            example = logits.detach().select(-2, 0).sum(-1)
            if example.dim() > 1:
                example = example.reshape(-1, self._replicas)[0]
            self._sum = example if self._sum is None else self._sum + example
            return logits

        return watched


@contextmanager
def hold_replicas(parameters: Sequence[Tensor], replicas: Sequence[int]) -> Iterator[None]:
    """Restore the weights of these replicas when the block ends."""
    index = list(replicas)
    before = [parameter.detach()[index] for parameter in parameters] if index else []
    yield
    for parameter, old in zip(parameters, before, strict=False):
        parameter.detach()[index] = old


def clip_per_replica(parameters: Sequence[Tensor], norm: float) -> None:
    """Scale each replica's gradient down to the Euclidean norm `norm` if it is larger."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    total = torch.stack([replica_norm(gradient) for gradient in gradients]).norm(dim=0)
    factor = (norm / total).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))
