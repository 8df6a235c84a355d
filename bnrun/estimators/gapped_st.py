"""Straight-through at logits that are moved until they agree with the bit, by a gap."""

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.neurons import SBN, Neuron
from bnrun.estimators.base import Estimator
from bnrun.estimators.straight_through import StraightThrough
from bnrun.estimators.tools.requirements import check_logistic


@validated
class GappedST(StraightThrough):
    """Gapped straight-through: the slope of a soft bit whose logit agrees with the bit drawn.

    forward:  the neuron's bits
    backward: multiplier span * neuron.slope * s (1 - s) / t, s = sigmoid(m / t) with
              m = max(a, gap) for a 1 and m = max(-a, gap) for a 0, a = neuron.slope * logit
    Noise law: the neuron's, in the forward pass alone. As in ST-Gumbel the soft bit is on the side
    of the bit, but nothing else is random.
    Exact: nowhere. Its mean is not the density at any gap or temperature.
    Cost: one downstream evaluation and its backward pass.

    temperature  t > 0; smaller is steeper near 0 and flatter elsewhere
    gap          least m, > 0; or "mean" for -log(1 - r) / r, r the probability of the bit drawn:
                 the mean of abs(a + logistic noise) given the bit, which is above a and -a; for
                 logistic noise only

    Source: Fan, Chi, Rudnicky, Ramadge, Training Discrete Deep Generative Models via Gapped
    Straight-Through Estimator (2022), arXiv 2206.07235.
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (SBN,)
    instead: ClassVar[str] = Estimator.instead

    temperature: PositiveFloat = 1.0
    gap: PositiveFloat | Literal["mean"] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gap == "mean":
            check_logistic(self, " with gap=mean")

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        agreeing = (2 * bits - 1) * self.neuron.slope * logits
        soft = torch.sigmoid(torch.maximum(agreeing, self.least(agreeing)) / self.temperature)
        return self.neuron.span * self.neuron.slope / self.temperature * soft * (1 - soft)

    def least(self, agreeing: Tensor) -> Tensor:
        """The gap, for logits that are positive if they agree with the bit; broadcasts."""
        if self.gap != "mean":
            return torch.full_like(agreeing, self.gap)
        # Below -15, where the quotient is 1, both would vanish.
        bounded = agreeing.clamp(min=-15)
        return softplus(bounded) / torch.sigmoid(bounded)
