"""Draws of an estimator's gradient for a net with fixed weights, on fixed examples.

The gradient is taken with respect to an offset of the logits of every binary layer, one offset per
example and unit. It has an exact value at any depth, while the gradient at the logits of a deeper
layer is random, because those logits are. A layer that the batch shares has one offset per unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bnrun.core.network import Downstream, LayerEstimator, Network, Pass, See
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

    evaluations  of the loss
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

    model: Network
    task: Task
    split: Split
    seeds: Sequence[int]
    memory: int

    def draw(self, estimators: Sequence[Estimator], draws: int, noise: Noise) -> list[Tensor]:
        """Independent gradients of each example's loss, per layer [D, R, B, U].

        Where all examples share the units, of the sum of the losses, [D, R, 1, U].

        Draws are batched, in chunks as large as the memory allows.
        """
        cost, examples = self.cost(estimators), len(self.seeds) * len(self.split.inputs)
        floats = max(cost.floats, cost.evaluations * examples * self.model.besides)
        bytes_per_draw = TENSORS_ALIVE * floats * self.split.inputs.element_size()
        chunk = max(1, self.memory // bytes_per_draw)
        sizes = [min(chunk, draws - start) for start in range(0, draws, chunk)]
        chunks = [self._gradients(estimators, size, noise) for size in sizes]
        return [torch.cat(layer) for layer in zip(*chunks, strict=True)]

    def cost(self, estimators: Sequence[Estimator]) -> Cost:
        """Cost of one draw, counted on one; the estimators do not learn from it."""
        cost = Cost()
        counted = [_CountedEstimator(estimator.frozen(), cost) for estimator in estimators]
        losses = self._losses(counted, Noise(self.seeds, "cost"), cost)
        cost.evaluations //= losses.numel()
        return cost

    def _gradients(self, estimators: Sequence[Estimator], draws: int, noise: Noise) -> list[Tensor]:
        offsets = _Offsets(draws, len(self.seeds))
        losses = self._losses(estimators, noise, Cost(), offsets)
        uses = [offsets.of_uses[use] for use in range(len(self.model.uses))]
        return self.model.by_layer(torch.autograd.grad(losses.sum(), uses))

    def _losses(
        self,
        estimators: Sequence[LayerEstimator],
        noise: Noise,
        cost: Cost,
        see: See | None = None,
    ) -> Tensor:
        """Loss per replica and example, with the leading axes that `see` adds, [..., R, B]."""
        batch = Split(*(part.expand(len(self.seeds), *part.shape) for part in self.split))
        batch = self.task.drawn(batch, Noise(self.seeds, "probe"))

        def loss(fired: Pass) -> Tensor:
            losses = self.task.loss(self.model, batch, fired)
            cost.evaluations += losses.numel()
            return losses

        with self.model.evaluating():
            return self.model.losses(batch.inputs, estimators, loss, noise, see)


@dataclass
class _Offsets:
    """Adds an offset to all logits, one per draw, whose gradients are the draws.

    The estimator of an earlier layer may evaluate a layer several times and on more leading axes;
    all evaluations of a use share its offset.
    """

    draws: int
    replicas: int
    of_uses: dict[int, Tensor] = field(default_factory=dict)

    def __call__(self, use: int, replicas: slice, logits: Tensor) -> Tensor:
        if use not in self.of_uses:
            shape = (self.draws, self.replicas, *logits.shape[-2:])
            self.of_uses[use] = logits.new_zeros(shape).requires_grad_()
        return logits + self.of_uses[use][:, replicas]


@dataclass
class _CountedEstimator:
    """An estimator that adds its evaluations of the downstream to `cost`."""

    estimator: Estimator
    cost: Cost

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        def counted(activations: Tensor) -> Tensor:
            self.cost.floats += activations.numel()
            return downstream(activations)

        return self.estimator(logits, counted, noise)

    @property
    def firing_neuron(self) -> Neuron:
        return self.estimator.firing_neuron

    @property
    def nested(self) -> bool:
        return self.estimator.nested
