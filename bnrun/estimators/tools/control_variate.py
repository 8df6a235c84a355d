"""Base class of estimators with a control variate whose coefficient is optimised."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from bnrun.core.fields import UnitInterval, validated
from bnrun.core.noise import Noise
from bnrun.estimators.tools.learner import Learner, Memory, replica_mean


@validated
class ControlVariate(Learner):
    """estimate - eta * control, where the mean of `control` is 0.

    The sum of the units' variances is quadratic in eta and least at
    E[estimate . control] / E[control . control]. Both means are running averages over the samples
    and examples of earlier calls, one per replica.

    eta    coefficient at the first call
    decay  weight of the old averages per call, in [0, 1]; 1 keeps eta constant
    """

    eta: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    decay: UnitInterval = 0.99

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        zeros = logits.new_zeros(logits.shape[-3], 1, 1)
        return {"product": zeros, "square": zeros}

    def coefficient(self, memory: Memory) -> Tensor:
        """eta of each replica, [R, 1, 1]."""
        known = memory["square"] > 0
        return torch.where(known, memory["product"] / memory["square"].where(known, 1), self.eta)

    def averages(self, memory: Memory, estimate: Tensor, control: Tensor) -> Memory:
        """The running averages after this call; estimate and control [*S, R, B, U]."""
        product = (estimate * control).sum(-1, keepdim=True)
        square = control.square().sum(-1, keepdim=True)
        return {
            "product": memory["product"].lerp(replica_mean(product), 1 - self.decay),
            "square": memory["square"].lerp(replica_mean(square), 1 - self.decay),
        }

    def scalars(self) -> dict[str, float]:
        memory = self._learned.memory
        return {"eta": float(self.coefficient(memory).mean())} if memory else {}
