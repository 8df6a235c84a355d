"""Straight-through of second order."""

from typing import ClassVar

import torch
from torch import Tensor

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.neurons import SBN, Neuron
from bnrun.estimators.base import Estimator
from bnrun.estimators.straight_through import StraightThrough


@validated
class ReinMax(StraightThrough):
    """ReinMax for binary units: the trapezoid rule between a unit's two activations.

    forward:  the neuron's bits, fired with p
    backward: multiplier span * score_slope * abs(b - p) / 2; at temperature t, with q the
              probability at log-odds divided by t, span * score_slope *
              (abs(b - q) + q (1 - q) - p (1 - p)) / 2
    Noise law: the neuron's; at temperature 1 the multiplier's mean is span * d p / d logit, but its
    value depends on the bit: it is span * d p / d logit / (2 P(b)).
    Exact: on losses quadratic in each bit, at temperature 1, under every law. There the mean of the
    derivatives at both ends is the difference of the losses.
    Cost: one downstream evaluation and its backward pass.

    temperature   > 0; 1 is exact to second order, a larger one gives a wider multiplier

    Source: Liu, Dong, Liu, Yu, Gao, Bridging Discrete and Backpropagation: Straight-Through and
    Beyond (2023), arXiv 2304.08612; at temperature 1 also, as a baseline linear around 1/2: Gregor
    et al., Deep AutoRegressive Networks (2013), arXiv 1310.8499.
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (SBN,)
    instead: ClassVar[str] = Estimator.instead

    temperature: PositiveFloat = 1.0

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        log_odds = self.neuron.log_odds(logits)
        tempered = log_odds / self.temperature
        p = torch.sigmoid(log_odds)
        q = torch.sigmoid(tempered)
        # abs(bits - q), by a sigmoid, because 1 - q loses digits.
        missing = torch.sigmoid((1 - 2 * bits) * tempered)
        scale = self.neuron.span * self.neuron.score_slope(logits)
        return scale * (missing + q * (1 - q) - p * (1 - p)) / 2
