"""One training step: forward, backward and update of all replicas at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch.optim import Optimizer

from bnrun.config.settings import TrainerSettings
from bnrun.core.network import EVERY, Network, See
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.estimators.base import Estimator
from bnrun.measurement.observation import replica_norm
from bnrun.tasks.base import Task
from bnrun.training.capture import Captured
from bnrun.training.compiled import Compiled
from bnrun.training.uncompiled import update


class TrainStep:
    """Updates the weights of R replicas by one batch.

    noise  the streams that the estimators draw from

    With settings.capture on a CUDA device, steps are recorded and replayed as a graph; with
    settings.compile, forward and backward pass are compiled. Logged steps never are.

    Raises UserError if the step cannot be compiled.
    """

    def __init__(
        self,
        model: Network,
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
        self.mean_weights = torch.full((len(noise.seeds) * examples,), 1 / examples, device=device)
        capture = settings.capture and device.type == "cuda"
        self.captured = Captured(self.learn, optimizer) if capture else None
        self.compiled = Compiled(self._forward, model, task, noise) if settings.compile else None

    def __call__(
        self,
        estimators: Sequence[Estimator],
        batch: Split,
        hold: Sequence[int],
        tap: See | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One update; the losses [R, B] and a finite probe [R], see `FiniteProbe`.

        hold  indices of replicas whose weights must not change
        tap   sees all logits

        With capture, the next call may overwrite the results.
        """
        with hold_replicas(self.parameters, hold):
            if self.captured is None or tap is not None:
                results = self.learn(estimators, batch, tap)
            else:
                results = self.captured(self._constants(estimators), estimators, batch)
            self.model.after_update()
            self.task.after_update(self.model)
        return results

    def learn(
        self, estimators: Sequence[Estimator], batch: Split, tap: See | None = None
    ) -> tuple[Tensor, Tensor]:
        """Forward, backward, clip and update; the losses [R, B] and the finite probe [R]."""
        if self.compiled is not None and tap is None:
            losses, probe = self.compiled(estimators, batch)
        else:
            loss, losses, probe = self._forward(estimators, batch, self.noise, tap)
            for parameter in self.parameters:
                parameter.grad = None
            loss.backward()
        if self.clip_norm is not None:
            clip_per_replica(self.parameters, self.clip_norm)
        update(self.optimizer)
        return losses.detach(), probe

    def _forward(
        self, estimators: Sequence[Estimator], batch: Split, noise: Noise, tap: See | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The sum of the replicas' mean losses, the losses [R, B] and the finite probe [R]."""
        probe = FiniteProbe(len(noise.seeds), tap)
        loss = partial(self.task.loss, self.model, batch)
        losses = self.model.losses(batch.inputs, estimators, loss, noise, probe)
        # backward() with weights would import sympy, which takes .2 s.
        return torch.dot(losses.flatten(), self.mean_weights), losses, probe.value

    def _constants(self, estimators: Sequence[Estimator]) -> object:
        """What a recorded step bakes in.

        None if a step changes more than weights, optimizer moments and noise: such a step cannot
        be recorded.
        """
        if any(estimator.state_dict() for estimator in estimators) or self.task.state_dict():
            return None
        return list(estimators), [group["lr"] for group in self.optimizer.param_groups]


class FiniteProbe:
    """Sums the logits of one example over all binary layers, per replica.

    The sum is finite as long as the weights are. The loss may be finite even if they are not,
    because binary neurons map a NaN to 0.

    tap  sees the logits as well
    """

    def __init__(self, replicas: int, tap: See | None = None) -> None:
        self._replicas, self._tap = replicas, tap
        self._sum: Tensor | None = None

    @property
    def value(self) -> Tensor:
        """The sum so far, [R]."""
        assert self._sum is not None  # a network has at least one binary layer
        return self._sum

    def __call__(self, use: int, replicas: slice, logits: Tensor) -> Tensor:
        example = logits.detach().select(-2, 0).sum(-1)
        if example.dim() > 1:
            example = example.reshape(-1, example.shape[-1])[0]
        if self._sum is None and replicas == EVERY:
            self._sum = example
        else:
            self._sum = example.new_zeros(self._replicas) if self._sum is None else self._sum
            self._sum[replicas].add_(example)
        return logits if self._tap is None else self._tap(use, replicas, logits)


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
