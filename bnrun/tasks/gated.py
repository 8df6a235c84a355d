"""Classification by a net that computes only some of its units."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.network import Network, Pass
from bnrun.core.products import Linear
from bnrun.data.base import Data, Split
from bnrun.tasks.classification import Classification

_EDGE = 1e-6  # at a mean probability of exactly 0 or 1 the divergence is infinite


@validated
class GatedClassification(Classification):
    """Cross-entropy plus a cost of open gates, the units of the last binary layer.

    rate      target share of open gates
    sparsity  weight of the cost, which is summed over the U gates; 0 for no cost
    cost      "kl": U KL(rate || q), where q is the mean probability that an example's gates are
              open; its gradient is that of the neuron's probability. "l1": the sum of the gates
    max_norm  maximum Euclidean norm of the weights into a unit; None for no limit

    Source: Bengio, Leonard, Courville (2013), arXiv 1308.3432; norms: Hinton et al., Improving
    Neural Networks by Preventing Co-Adaptation (2012), arXiv 1207.0580.
    """

    rate: Annotated[float, Field(gt=0, lt=1)] = 0.1
    sparsity: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.05
    cost: Literal["kl", "l1"] = "kl"
    max_norm: PositiveFloat | None = 2.1

    def begin(self, model: Network, data: Data, seeds: Sequence[int]) -> None:
        """Raises ValueError if there is no layer whose norms could be limited."""
        if self.max_norm and not any(isinstance(layer, Linear) for layer in model.modules()):
            raise ValueError(
                f"task.max_norm={self.max_norm} is for the layers of bnrun.core.products, and the "
                f"model has none: set task.max_norm=null"
            )

    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return cross-entropy in nats plus the cost, [*S, R, B]."""
        loss = super().loss(model, batch, fired)
        return loss + self.sparsity * self._cost(fired) if self.sparsity else loss

    def scores(self, model: Network, batch: Split, fired: Pass) -> dict[str, Tensor]:
        """Return the scores of classification, and two shares of the gates.

        gate_rate  mean probability that a gate is open
        computed   share of the hidden units with an open gate, which had to be computed
        """
        neuron, logits, gates = fired[-1]
        shares = {
            "gate_rate": neuron.probability(logits).mean(-1),
            "computed": (gates != 0).to(gates.dtype).mean(-1),
        }
        return super().scores(model, batch, fired) | shares

    @torch.no_grad()
    def after_update(self, model: Network) -> None:
        """Scale down the weights into every unit whose norm exceeds `max_norm`."""
        if self.max_norm is None:
            return
        for layer in model.modules():
            if isinstance(layer, Linear):
                norm = layer.weight.norm(dim=1, keepdim=True)
                layer.weight.mul_((self.max_norm / norm).clamp(max=1.0))

    def _cost(self, fired: Pass) -> Tensor:
        neuron, logits, gates = fired[-1]
        if self.cost == "l1":
            return gates.abs().sum(-1)
        rate, share = self.rate, neuron.probability(logits).mean(-1).clamp(_EDGE, 1 - _EDGE)
        divergence = rate * (rate / share).log() + (1 - rate) * ((1 - rate) / (1 - share)).log()
        return logits.shape[-1] * divergence
