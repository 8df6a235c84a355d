"""Classification: cross-entropy and accuracy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from bnrun.fields import validated


@validated
class Classification:
    """One class per example. Outputs are unnormalised log-probabilities, [*S, R, B, classes]."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy in nats for targets [R, B], [*S, R, B]."""
        expanded = targets.expand(outputs.shape[:-1])
        losses = F.cross_entropy(outputs.flatten(0, -2), expanded.flatten(), reduction="none")
        return losses.view(outputs.shape[:-1])

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Scores per example, each [*S, R, B]; their mean over examples is reported."""
        return {
            "accuracy": (outputs.argmax(-1) == targets).to(outputs.dtype),
            "loss": self.loss(outputs, targets),
        }

    def average(self, outputs: Tensor) -> Tensor:
        """Outputs that stand for the mean prediction of K samples, [K, ...] -> [...]."""
        return torch.log_softmax(outputs, -1).logsumexp(0)
