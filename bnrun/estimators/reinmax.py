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

    forward:  the neuron's bits, fired with p = sigmoid(a), a = neuron.slope * logit
    backward: multiplier span * neuron.slope * abs(b - p) / 2; at temperature t, with
              q = sigmoid(a / t), span * neuron.slope * (abs(b - q) + q (1 - q) - p (1 - p)) / 2
    Noise law: logistic, that of the SBN; at temperature 1 the multiplier's mean is span * density,
    but its value depends on the bit.
    Exact: on losses quadratic in each bit, at temperature 1. There the mean of the derivatives at
    both ends is the difference of the losses.
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
        slope = self.neuron.slope
        tempered = slope * logits / self.temperature
        p = torch.sigmoid(slope * logits)
        q = torch.sigmoid(tempered)
        # abs(bits - q), by a sigmoid, because 1 - q loses digits.
        missing = torch.sigmoid((1 - 2 * bits) * tempered)
        return self.neuron.span * slope * (missing + q * (1 - q) - p * (1 - p)) / 2
