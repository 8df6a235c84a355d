"""Straight-through with the norm of another gradient: direction and gain taken apart."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.neurons import SBN, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator, fire
from bnrun.estimators.straight_through import StraightThrough
from bnrun.estimators.tools.gradients import rescaled


@validated
class RescaledST(StraightThrough):
    """Plain straight-through, rescaled in each layer to the norm of sigmoid-adjusted ST.

    forward:  the neuron's bits
    backward: multiplier c, one number per layer, update and replica, so that the gradient of
              the layer's logits, over all examples and units of the batch, has the norm that it
              would have with the multiplier span * d p / d logit; with direction="derivative" it is
              c * d p / d logit, with the norm of multiplier 1
    Noise law: that of the neuron, whose derivative sets the norm.
    Exact: in norm alone, and only where the loss is linear in the bits; never in direction.
    Cost: one downstream evaluation and its backward pass.

    The norm of the exact gradient takes 2^U evaluations. Its stand-in comes from the same draw of
    the bits and from the derivative that arrives from the layers behind: it is that of one draw of
    an estimate that is exact on multilinear losses, so it includes the noise of that draw.

    direction   "identity": that of plain ST, with the norm of sigmoid-adjusted ST; "derivative":
                the other way around

    Source: the multipliers are those of Bengio, Leonard, Courville (2013), arXiv 1308.3432; it is
    rescaled for experiment=why_st.
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (SBN,)
    instead: ClassVar[str] = Estimator.instead

    direction: Literal["identity", "derivative"] = "identity"

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        """Of the direction, before it is rescaled."""
        return self._multipliers(logits)[0]

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        bits = fire(self.neuron, logits, noise)
        return rescaled(self.neuron.encode(bits), logits, *self._multipliers(logits))

    def _multipliers(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Those of the direction and of the norm."""
        derivative = self.neuron.span * self.neuron.derivative(logits)
        identity = torch.ones_like(derivative)
        pair = identity, derivative
        return pair if self.direction == "identity" else pair[::-1]
