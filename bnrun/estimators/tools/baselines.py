"""Baselines: what REINFORCE subtracts from the loss before multiplying by the score.

A baseline holds no state. It reads a memory and returns the next one, so that an estimate always
uses the memory from before its own samples.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from bnrun.core.fields import PositiveFloat, PositiveInt, UnitInterval, validated
from bnrun.core.noise import Noise
from bnrun.estimators.tools.learner import Memory, replica_mean
from bnrun.estimators.tools.perceptron import fresh_perceptron, perceptron, train_perceptron


@validated
class Baseline(ABC):
    """A rule for the learning signal. Losses are [*S, R, B, 1], logits and bits [*S, R, B, U]."""

    @property
    def unbiased(self) -> bool:
        """Whether REINFORCE stays unbiased with this signal."""
        return True

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        """The memory before the first call."""
        return {}

    @abstractmethod
    def signal(self, memory: Memory, logits: Tensor, losses: Tensor) -> Tensor:
        """The factor of the score in place of the loss, [*S, R, B, 1] or [*S, R, B, U]."""

    def learned(self, memory: Memory, logits: Tensor, score: Tensor, losses: Tensor) -> Memory:
        """The memory after this call.

        score  d log P(bits) / d (slope * logit), [*S, R, B, U]: bits - p for logistic noise
        """
        return memory


@validated
class NoBaseline(Baseline):
    """No baseline: the signal is the loss."""

    def signal(self, memory: Memory, logits: Tensor, losses: Tensor) -> Tensor:
        return losses


@validated
class MovingAverage(Baseline):
    """The loss minus its running average over earlier calls, which is 0 at the first call.

    decay  weight of the old average per call, in [0, 1]
    """

    decay: UnitInterval = 0.95

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        zeros = logits.new_zeros(logits.shape[-3], 1, 1)
        return {"sum": zeros, "weight": zeros}

    def signal(self, memory: Memory, logits: Tensor, losses: Tensor) -> Tensor:
        # Dividing by the total weight removes the bias towards the initial 0.
        started = memory["weight"] > 0
        return losses - torch.where(started, memory["sum"] / memory["weight"].where(started, 1), 0)

    def learned(self, memory: Memory, logits: Tensor, score: Tensor, losses: Tensor) -> Memory:
        return {
            "sum": memory["sum"].lerp(replica_mean(losses), 1 - self.decay),
            "weight": 1 - self.decay * (1 - memory["weight"]),
        }


@validated
class OptimalBaseline(Baseline):
    """The constant of least variance for each unit: E[score^2 f] / E[score^2].

    Both means are running averages, which start at 0 and 1; 1e-4 is added to the second to avoid
    a division by 0 at a saturated unit.

    decay  weight of the old averages per call, in [0, 1]

    Source: Bengio, Leonard, Courville (2013), arXiv 1308.3432; decay and start values: R2RT,
    Binary Stochastic Neurons in Tensorflow (2016).
    """

    decay: UnitInterval = 0.95

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        shape = logits.shape[-3], 1, logits.shape[-1]
        return {"weighted_loss": logits.new_zeros(shape), "weight": logits.new_ones(shape)}

    def signal(self, memory: Memory, logits: Tensor, losses: Tensor) -> Tensor:
        return losses - memory["weighted_loss"] / (memory["weight"] + 1e-4)

    def learned(self, memory: Memory, logits: Tensor, score: Tensor, losses: Tensor) -> Memory:
        squared = score.square()
        return {
            "weighted_loss": memory["weighted_loss"].lerp(
                replica_mean(squared * losses), 1 - self.decay
            ),
            "weight": memory["weight"].lerp(replica_mean(squared), 1 - self.decay),
        }


@validated
class NVIL(Baseline):
    """A net's prediction of the loss from the logits, plus the running mean of its residual.

    signal = f - net(logits) - mean; with `normalize`, divided by max(1, running standard deviation)

    The net has one tanh layer, starts at 0 and is trained by Adam on the squared signal. The
    division shortens the estimate where the standard deviation of the loss is above 1: its mean
    keeps the right direction but not the right length, so with `normalize` it is not unbiased.

    hidden     units of the net's hidden layer
    lr         learning rate of Adam
    decay      weight of the old mean and variance per call, in [0, 1]
    normalize  divide by max(1, standard deviation), as in the paper

    Source: Mnih, Gregor, Neural Variational Inference and Learning in Belief Networks (2014),
    arXiv 1402.0030, with its 100 hidden units and decay .8.
    """

    hidden: PositiveInt = 100
    lr: PositiveFloat = 1e-3
    decay: UnitInterval = 0.8
    normalize: bool = False

    @property
    def unbiased(self) -> bool:
        return not self.normalize

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        net = fresh_perceptron(logits, self.hidden, noise, "baseline")
        zeros = logits.new_zeros(logits.shape[-3], 1, 1)
        return net | {"mean": zeros, "variance": zeros}

    def signal(self, memory: Memory, logits: Tensor, losses: Tensor) -> Tensor:
        signal = losses - perceptron(memory, logits) - memory["mean"]
        return signal / memory["variance"].sqrt().clamp(min=1) if self.normalize else signal

    def learned(self, memory: Memory, logits: Tensor, score: Tensor, losses: Tensor) -> Memory:
        def squared(memory: Memory) -> Tensor:
            return replica_mean((residual(memory) - memory["mean"]).square())

        def residual(memory: Memory) -> Tensor:
            return losses - perceptron(memory, logits)

        statistics = {
            "mean": memory["mean"].lerp(replica_mean(residual(memory)), 1 - self.decay),
            "variance": memory["variance"].lerp(squared(memory), 1 - self.decay),
        }
        return train_perceptron(memory, squared, self.lr) | statistics
