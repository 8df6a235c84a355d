"""Straight-through of least variance for a given bias."""

import math
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.neurons import SBN, Neuron
from bnrun.estimators.base import Estimator, Progress
from bnrun.estimators.straight_through import StraightThrough
from bnrun.estimators.tools.annealing import grown


@validated
class MVE(StraightThrough):
    """Minimum-variance estimator: between first-order straight-through and ReinMax.

    forward:  the neuron's bits
    backward: multiplier span * (d p / d logit) * (1 + tau abs(b - p)) / (1 + 2 tau p q), q = 1 - p
    Noise law: the neuron's, whichever it is. As abs(b - p) has mean 2 p q, the multiplier's mean is
    span * d p / d logit for every tau.
    Exact: on losses multilinear in the bits, for every tau and under every law; if tau is
    infinite, also on losses quadratic in each bit. On (b - t)^2 its bias is (d p / d logit) times
    (2 p - 1) / (1 + 2 tau p q) for every t. For each unit the multiplier is (1 - w)
    times that of sigmoid_st plus w times that of reinmax, w = 2 tau p q / (1 + 2 tau p q).
    Cost: one downstream evaluation and its backward pass.

    tau     initial value, >= 0, or inf. 0 is sigmoid_st (gaussian_st under normal noise), with the
            least variance; inf is reinmax, with the least bias
    growth  factor on tau per epoch or step, >= 1; 1 keeps tau constant
    per     apply the growth every "epoch" or every "step"
    cap     largest tau; at least `tau` if tau grows

    Raises ValueError if tau is to grow, but is 0 or above the cap.

    Source: Hooper, Shekhovtsov, Generalized and Optimal Straight-Through Estimators, AISTATS
    (2026), where tau grows geometrically from 1 to 1e6 over the epochs of a training.
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (SBN,)
    instead: ClassVar[str] = Estimator.instead

    tau: Annotated[float, Field(ge=0)] = 1.0
    growth: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    per: Literal["epoch", "step"] = "epoch"
    cap: PositiveFloat = 1e6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.growth > 1 and not 0 < self.tau <= self.cap:
            raise ValueError(
                f"tau={self.tau} cannot grow to cap={self.cap}: choose a tau above 0 and at most "
                f"the cap, e.g. tau=1, or growth=1"
            )

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        neuron = self.neuron
        p, q = neuron.probability(logits), neuron.probability(-logits)  # every law is symmetric
        weight = 1 - 1 / (1 + 2 * self.tau * p * q) if math.isfinite(self.tau) else 1.0
        missing = torch.where(bits > 0, q, p)  # abs(b - p)
        second_order = neuron.score_slope(logits) * missing / 2
        return neuron.span * ((1 - weight) * neuron.derivative(logits) + weight * second_order)

    def at(self, progress: Progress) -> Self:
        if self.growth == 1.0:
            return self
        passed = progress.epoch if self.per == "epoch" else progress.step
        return replace(self, tau=grown(self.tau, self.growth, passed, self.cap))

    def scalars(self) -> dict[str, float]:
        return {"tau": self.tau} if math.isfinite(self.tau) else {}
