"""Draws of an estimator's gradient for a net as it stands, on fixed examples.

The gradient is the one by an offset at the logits of every binary layer, one per example and
unit. It has an exact value at any depth, whereas the gradient at sampled logits is itself random.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from bnrun.core.chain import Chain, Downstream, LayerEstimator, nest
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.estimators.base import Estimator
from bnrun.tasks.base import Task

# Tensors of the activations' size that differentiation keeps alive, about.
ALIVE = 8


@dataclass
class Cost:
    """What one estimate asks of the layers after it.

    evaluations  of the loss: how many activations of the last layer reach the head
    floats       numbers in all activations that reach a downstream
    """

    evaluations: int = 0
    floats: int = 0


@dataclass
class Probe:
    """A net on its probe examples, for all replicas.

    split   the B examples, the same for every replica
    memory  bytes that one chunk of draws may take, about
    """

    model: Chain
    task: Task
    split: Split
    seeds: Sequence[int]
    memory: int

    def draw(self, estimators: Sequence[Estimator], draws: int, noise: Noise) -> list[Tensor]:
        """Independent gradients of each example's loss, per layer [D, R, B, U].

        All draws are one batched program, in chunks as large as the memory allows.
        """
        bytes_per_draw = ALIVE * self.cost(estimators).floats * self.split.inputs.element_size()
        chunk = max(1, self.memory // bytes_per_draw)
        sizes = [min(chunk, draws - start) for start in range(0, draws, chunk)]
        chunks = [self._gradients(estimators, size, noise) for size in sizes]
        return [torch.cat(layer) for layer in zip(*chunks, strict=True)]

    def cost(self, estimators: Sequence[Estimator]) -> Cost:
        """Counted on one draw; nothing is learned from it."""
        cost = Cost()
        *inner, last = [estimator.frozen() for estimator in estimators]
        counted = [_Counted(estimator, cost, last=False) for estimator in inner]
        stages = list(self.model.stages)
        losses = self._losses(
            stages, [*counted, _Counted(last, cost, last=True)], Noise(self.seeds, "cost")
        )
        cost.evaluations //= losses.numel()
        return cost

    def _gradients(self, estimators: Sequence[Estimator], draws: int, noise: Noise) -> list[Tensor]:
        stages = [_Offset(stage, draws) for stage in self.model.stages]
        losses = self._losses(stages, estimators, noise)
        offsets = [stage.leaf for stage in stages if stage.leaf is not None]
        return list(torch.autograd.grad(losses.sum(), offsets))

    def _losses(
        self,
        stages: Sequence[Callable[[Tensor], Tensor]],
        estimators: Sequence[LayerEstimator],
        noise: Noise,
    ) -> Tensor:
        """Loss per replica and example, with leading axes as the stages make them."""
        batch = Split(*(part.expand(len(self.seeds), *part.shape) for part in self.split))
        batch = self.task.drawn(batch, Noise(self.seeds, "probe"))
        loss = partial(self.task.loss, self.model, batch)
        return nest(stages, estimators, loss, noise)(batch.inputs)


@dataclass
class _Offset:
    """A stage with a shift of its logits to differentiate by, one per draw.

    An estimator of an earlier layer may evaluate the stage several times, on further leading
    axes; all of them share the shift.
    """

    stage: Callable[[Tensor], Tensor]
    draws: int
    leaf: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        logits = self.stage(x)
        if self.leaf is None:
            self.leaf = logits.new_zeros(self.draws, *logits.shape[-3:]).requires_grad_()
        return logits + self.leaf


@dataclass
class _Counted:
    """An estimator that adds what it asks of its downstream to `cost`."""

    estimator: Estimator
    cost: Cost
    last: bool

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        def counted(activations: Tensor) -> Tensor:
            self.cost.floats += activations.numel()
            if self.last:
                self.cost.evaluations += activations.shape[:-1].numel()
            return downstream(activations)

        return self.estimator(logits, counted, noise)

    @property
    def firing_neuron(self) -> Neuron:
        return self.estimator.firing_neuron
