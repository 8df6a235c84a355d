"""Draws of an estimator's gradient for a net with fixed weights, on fixed examples.

The gradient is taken with respect to an offset of the logits of every binary layer, one offset per
example and unit. It has an exact value at any depth, while the gradient at the logits of a deeper
layer is random, because those logits are.
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

TENSORS_ALIVE = 8
"""Rough number of tensors of the activations' size that autograd keeps alive."""


@dataclass
class Cost:
    """Cost of one estimate.

    evaluations  of the loss: number of activations of the last layer that reach the head
    floats       total size of all activations passed to a downstream
    """

    evaluations: int = 0
    floats: int = 0


@dataclass
class Probe:
    """A net on its probe examples, for all replicas.

    split   the B examples, the same for every replica
    memory  bytes that one chunk of draws may take, roughly
    """

    model: Chain
    task: Task
    split: Split
    seeds: Sequence[int]
    memory: int

    def draw(self, estimators: Sequence[Estimator], draws: int, noise: Noise) -> list[Tensor]:
        """Independent gradients of each example's loss, per layer [D, R, B, U].

        Draws are batched, in chunks as large as the memory allows.
        """
        floats = TENSORS_ALIVE * self.cost(estimators).floats
        bytes_per_draw = floats * self.split.inputs.element_size()
        chunk = max(1, self.memory // bytes_per_draw)
        sizes = [min(chunk, draws - start) for start in range(0, draws, chunk)]
        chunks = [self._gradients(estimators, size, noise) for size in sizes]
        return [torch.cat(layer) for layer in zip(*chunks, strict=True)]

    def cost(self, estimators: Sequence[Estimator]) -> Cost:
        """Cost of one draw, counted on one; the estimators do not learn from it."""
        cost = Cost()
        *inner, last = [estimator.frozen() for estimator in estimators]
        counted = [_CountedEstimator(estimator, cost, last=False) for estimator in inner]
        stages = list(self.model.stages)
        losses = self._losses(
            stages, [*counted, _CountedEstimator(last, cost, last=True)], Noise(self.seeds, "cost")
        )
        cost.evaluations //= losses.numel()
        return cost

    def _gradients(self, estimators: Sequence[Estimator], draws: int, noise: Noise) -> list[Tensor]:
        stages = [_Offset(stage, draws) for stage in self.model.stages]
        losses = self._losses(stages, estimators, noise)
        offsets = [stage.offset for stage in stages if stage.offset is not None]
        return list(torch.autograd.grad(losses.sum(), offsets))

    def _losses(
        self,
        stages: Sequence[Callable[[Tensor], Tensor]],
        estimators: Sequence[LayerEstimator],
        noise: Noise,
    ) -> Tensor:
        """Loss per replica and example, with the leading axes that the stages add, [..., R, B]."""
        batch = Split(*(part.expand(len(self.seeds), *part.shape) for part in self.split))
        batch = self.task.drawn(batch, Noise(self.seeds, "probe"))
        loss = partial(self.task.loss, self.model, batch)
        return nest(stages, estimators, loss, noise)(batch.inputs)


@dataclass
class _Offset:
    """A stage that adds an offset to its logits, one per draw, to differentiate by.

    The estimator of an earlier layer may evaluate the stage several times and on more leading
    axes; all evaluations share the offset.
    """

    stage: Callable[[Tensor], Tensor]
    draws: int
    offset: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        logits = self.stage(x)
        if self.offset is None:
            self.offset = logits.new_zeros(self.draws, *logits.shape[-3:]).requires_grad_()
        return logits + self.offset


@dataclass
class _CountedEstimator:
    """An estimator that adds its evaluations of the downstream to `cost`."""

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
