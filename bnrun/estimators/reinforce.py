"""REINFORCE, the score-function estimator, with a baseline of one's choice."""

from typing import ClassVar

from torch import Tensor

from bnrun.core.chain import Downstream
from bnrun.core.fields import validated
from bnrun.core.noise import Noise
from bnrun.estimators.base import fire
from bnrun.estimators.tools.baselines import Baseline, NoBaseline
from bnrun.estimators.tools.gradients import inject
from bnrun.estimators.tools.learner import Learner, Memory


@validated
class Reinforce(Learner):
    """The loss less a baseline that has not seen this sample, times the score.

    forward:  bits of the neuron
    backward: (f(b) - baseline) * (b - p), times slope
    Exact: always, in expectation. A baseline may give that up, as NVIL does with `normalize`.
    Cost: one downstream evaluation, no backward pass through it for the logits.

    baseline  see bnrun.estimators.tools.baselines; it moves the variance, not the mean

    Source: Williams, Simple Statistical Gradient-Following Algorithms for Connectionist
    Reinforcement Learning (1992).
    """

    unbiased: ClassVar[bool] = True

    baseline: Baseline = NoBaseline()

    def __post_init__(self) -> None:
        super().__post_init__()
        # A baseline may give up the mean; then the object says so, not the class.
        object.__setattr__(self, "unbiased", self.baseline.unbiased)

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        return self.baseline.fresh(logits, noise)

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        bits = fire(self.neuron, logits, noise)
        losses = downstream(self.neuron.encode(bits))
        memory = self.recall(logits, noise)
        seen, loss = logits.detach(), losses.detach().unsqueeze(-1)
        centred = bits - self.neuron.probability(seen)
        signal = self.baseline.signal(memory, seen, loss)
        if self.learns():
            self.remember(self.baseline.learned(memory, seen, centred, loss))
        return inject(losses, logits, signal * (self.neuron.slope * centred))
