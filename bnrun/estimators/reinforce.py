"""REINFORCE, the score-function estimator, with a choice of baselines."""

from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.base import fire
from bnrun.estimators.tools.baselines import Baseline, NoBaseline
from bnrun.estimators.tools.gradients import inject
from bnrun.estimators.tools.learner import Learner, Memory


@validated
class Reinforce(Learner):
    """The loss minus a baseline that does not depend on the sample, times the score.

    forward:  the neuron's bits
    backward: (f(b) - baseline) * (b - p), times score_slope
    Exact: always, in expectation. A baseline can give that up, like NVIL with `normalize`.
    Cost: one downstream evaluation; the logits need no backward pass through it.

    baseline  see bnrun.estimators.tools.baselines; it changes the variance, not the mean

    Source: Williams, Simple Statistical Gradient-Following Algorithms for Connectionist
    Reinforcement Learning (1992).
    """

    baseline: Baseline = NoBaseline()

    @property
    def unbiased(self) -> bool:
        return self.baseline.unbiased

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        return self.baseline.fresh(logits, noise)

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        bits = fire(self.neuron, logits, noise)
        losses = downstream(self.neuron.encode(bits))
        memory = self.recall(logits, noise)
        fixed, loss = logits.detach(), losses.detach().unsqueeze(-1)
        centred, slope = bits - self.neuron.probability(fixed), self.neuron.score_slope(fixed)
        signal = self.baseline.signal(memory, fixed, loss)
        if self.learns(memory):
            score = centred * (slope / self.neuron.slope)
            self.remember(memory, self.baseline.learned(memory, fixed, score, loss))
        return inject(losses, logits, signal * (slope * centred))
