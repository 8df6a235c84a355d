"""REINFORCE on K samples, each with the mean loss of the others as baseline."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.base import SamplesEstimator, fire
from bnrun.estimators.tools.derivatives import score
from bnrun.estimators.tools.gradients import inject

Samples = Annotated[int, Field(ge=2)]


def leave_one_out(losses: Tensor, scores: Tensor) -> Tensor:
    """sum_k (f_k - mean f) * score_k / (K - 1), from [K, *S, R, B] and [K, *S, R, B, U]."""
    signal = (losses - losses.mean(0)).unsqueeze(-1)
    return (signal * scores).sum(0) / (len(losses) - 1)


def others(values: Tensor) -> Tensor:
    """For each sample, on the first axis, the mean of the other samples."""
    return (values.sum(0) - values) / (len(values) - 1)


@validated
class RLOO(SamplesEstimator):
    """Leave-one-out REINFORCE: the baseline of each sample is the mean loss of the others.

    forward:  K independent samples; the loss is their mean
    backward: sum_k (f_k - mean f) * (b_k - p) / (K - 1), times score_slope
    Exact: always, in expectation.
    Cost: K downstream evaluations.

    samples  K, at least 2
    nested   whether later layers are estimated at all K samples, or at the first only

    Source: Kool, van Hoof, Welling, Buy 4 REINFORCE Samples, Get a Baseline for Free! (2019).
    """

    unbiased = True

    samples: Samples = 4

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        repeated = logits.expand(self.samples, *logits.shape)
        bits = fire(self.neuron, repeated, noise)
        losses = downstream(self.neuron.encode(bits))
        gradient = leave_one_out(losses.detach(), score(self.neuron, logits, bits))
        return inject(losses.mean(0), logits, gradient)
