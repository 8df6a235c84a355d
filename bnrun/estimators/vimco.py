"""VIMCO, leave-one-out for a bound that is made from K samples."""

import math

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator, fire
from bnrun.estimators.rloo import Samples, others
from bnrun.estimators.tools.derivatives import score
from bnrun.estimators.tools.gradients import inject


def bound_of(losses: Tensor) -> Tensor:
    """-log mean_k exp(-loss_k) over the first axis, [K, ...] -> [...]."""
    return math.log(len(losses)) - torch.logsumexp(-losses, 0)


def bounds_without(losses: Tensor) -> Tensor:
    """The bound with the loss of one sample replaced by the mean of the others, [K, ...]."""
    one = torch.eye(len(losses), dtype=torch.bool, device=losses.device)
    replaced = torch.where(one.view(*one.shape, *[1] * (losses.dim() - 1)), others(losses), losses)
    return bound_of(replaced.movedim(1, 0))


@validated
class VIMCO(Estimator):
    """Leave-one-out for the bound of K samples, with losses -log w_k.

    forward:  K independent samples; the loss is their bound, L = -log mean_k w_k
    backward: sum_k (L - L_k) (b_k - p), times score_slope, L_k the bound with w_k replaced by the
              geometric mean of the others; and sum_k (w_k / sum_j w_j) d(-log w_k) for all that the
              losses themselves depend on
    Exact: for the mean of the bound, in expectation. That is another objective than the mean loss,
    which all other estimators minimise. For a single binary layer only: the bound is not a sum
    of what each sample's later layers contribute.
    Cost: K downstream evaluations.

    samples  K, at least 2

    Source: Mnih, Rezende, Variational Inference for Monte Carlo Objectives (2016),
    arXiv 1602.06725.
    """

    samples: Samples = 5

    @property
    def bound(self) -> int:
        return self.samples

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        bits = fire(self.neuron, logits.expand(self.samples, *logits.shape), noise)
        losses = downstream(self.neuron.encode(bits))
        bound, fixed = bound_of(losses), losses.detach()
        signal = (bound.detach() - bounds_without(fixed)).unsqueeze(-1)
        return inject(bound, logits, (signal * score(self.neuron, logits, bits)).sum(0))
