"""Sigmoid-adjusted straight-through, with optional slope annealing."""

from dataclasses import replace
from functools import cached_property
from typing import Annotated, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from bnrun.core.fields import Slope, validated
from bnrun.core.laws import LOGISTIC
from bnrun.core.neurons import SBN, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Progress, fire
from bnrun.estimators.straight_through import StraightThrough
from bnrun.estimators.tools.annealing import grown
from bnrun.estimators.tools.gradients import with_derivative, with_gradient_of


@validated
class SigmoidST(StraightThrough):
    """Sigmoid-adjusted straight-through: the multiplier is the derivative of a sigmoid.

    forward:  the neuron's bits, with slope s if `forward` is on
    backward: multiplier span * s * q (1 - q), q = sigmoid(s * logit), with s = 1 if `backward` is
              off
    Noise law: logistic. For normal noise see gaussian_st, for uniform noise clipped_st.
    Exact: under logistic noise, on losses multilinear in the bits. That is, no bit is squared; both
    passes must use the same slope.
    Cost: one downstream evaluation and its backward pass.

    slope     initial s, > 0
    growth    factor on s per epoch or step, >= 1; 1 keeps s constant
    per       apply the growth every "epoch" or every "step"
    cap       largest s; at least `slope` if s grows
    forward, backward, evaluation   whether s applies to the firing, to the derivative, and to the
              neuron used in evaluation; where it does not, the neuron's own slope is used

    Raises ValueError if the cap is below the slope.

    Source: Hinton (2012); Bengio et al. (2013), arXiv 1308.3432; annealing: Chung, Ahn, Bengio,
    Hierarchical Multiscale Recurrent Neural Networks (2016), arXiv 1609.01704.
    """

    slope: Slope = 1.0
    growth: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    per: Literal["epoch", "step"] = "epoch"
    cap: Slope = 100.0
    forward: bool = True
    backward: bool = True
    evaluation: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.growth > 1 and self.cap < self.slope:
            raise ValueError(
                f"cap={self.cap} is below slope={self.slope}: the slope grows from its initial "
                f"value to the cap; choose a cap of at least {self.slope}"
            )

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        slope = self.slope if self.backward else 1.0
        slope = slope * self.neuron.slope
        q = torch.sigmoid(slope * logits)
        return self.neuron.span * slope * q * (1 - q)

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        neuron = self.firing_neuron
        same_slope = self.slope == 1.0 or self.forward == self.backward
        if isinstance(neuron, SBN) and neuron.law is LOGISTIC and same_slope:
            # Both passes use the same sigmoid, so autograd gives the multiplier.
            q = neuron.probability(logits)
            bits = neuron.fire_with(q.detach(), noise)
            return neuron.encode(with_gradient_of(bits, q))
        bits = fire(neuron, logits, noise)
        multiplier = self.multiplier(logits.detach(), bits)
        return with_derivative(neuron.encode(bits), logits, multiplier)

    def at(self, progress: Progress) -> Self:
        if self.growth == 1.0:
            return self
        passed = progress.epoch if self.per == "epoch" else progress.step
        return replace(self, slope=grown(self.slope, self.growth, passed, self.cap))

    def scalars(self) -> dict[str, float]:
        return {"slope": self.slope}

    @property
    def firing_neuron(self) -> Neuron:
        return self._sloped if self.forward else self.neuron

    @property
    def evaluation_neuron(self) -> Neuron:
        return self._sloped if self.evaluation else self.neuron

    @cached_property
    def _sloped(self) -> Neuron:
        # Made once: torch.compile cannot trace the checks of a new neuron's fields.
        if self.slope == 1.0:
            return self.neuron
        return replace(self.neuron, slope=self.neuron.slope * self.slope)
