"""The exact gradient, by enumeration of all bit patterns of a layer."""

from typing import ClassVar

import torch
from torch import Tensor

from bnrun.core.fields import PositiveInt, validated
from bnrun.core.network import Downstream
from bnrun.core.neurons import SBN, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator


def patterns(units: int, like: Tensor) -> Tensor:
    """All bit patterns of `units` units, [2^U, U], in the dtype and on the device of `like`."""
    numbers = torch.arange(2**units, device=like.device).unsqueeze(-1)
    places = torch.arange(units, device=like.device)
    return ((numbers >> places) & 1).to(like.dtype)


@validated
class Exact(Estimator):
    """The expected loss over all 2^U bit patterns of the layer, differentiated.

    forward:  sum over patterns of P(pattern) * f(pattern): the exact mean of the loss
    backward: its derivative; nested, it enumerates the patterns of all layers together
    Exact: always.
    Cost: 2^U downstream evaluations, batched on a leading axis.

    max_units  the largest supported U (2^12 = 4,096 evaluations)

    Source: none needed, it is the definition of the mean.
    """

    unbiased = True
    accepts: ClassVar[tuple[type[Neuron], ...]] = (SBN,)

    max_units: PositiveInt = 12

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        units = logits.shape[-1]
        if units > self.max_units:
            raise ValueError(
                f"estimator exact would enumerate 2^{units} patterns of a layer with {units} "
                f"units, but estimator.max_units={self.max_units}: make the layer smaller, or "
                f"choose an unbiased estimator that samples, e.g. estimator=disarm"
            )
        scaled = self.neuron.scaled(logits)
        bits = patterns(units, logits).view(-1, *[1] * (logits.dim() - 1), units)
        # F(-a) instead of 1 - F(a), which loses digits for large a.
        towards = torch.where(bits > 0, scaled, -scaled)
        probability = self.neuron.law.distribution(towards).prod(-1)
        losses = downstream(self.neuron.encode(bits).expand(-1, *logits.shape))
        return (probability * losses).sum(0)
