"""What the steps of a training say of themselves: their losses, and who is lost."""

from typing import Any

import torch
from torch import Tensor

KEPT = 64
"""Steps that are looked at together: looking at each one is 2 % of a small net's step."""


class Tally:
    """Losses of R replicas since somebody asked for their mean, and when each one diverged.

    No step waits for a value, on whichever device it is.
    """

    def __init__(self, replicas: int, device: torch.device) -> None:
        self._diverged = torch.full((replicas,), -1, device=device)
        self._sum, self._count = torch.zeros(replicas, device=device), 0
        # Memory of their own: small tensors that outlive a step would lie between its large ones.
        self._losses = torch.zeros(KEPT, replicas, device=device)
        self._pulses = torch.zeros(KEPT, replicas, device=device)
        self._rows = list(zip(self._losses.unbind(), self._pulses.unbind(), strict=True))
        self._kept, self._next = 0, 0

    def add(self, step: int, losses: Tensor, pulse: Tensor) -> None:
        """Take what the update number `step` says.

        losses  of the examples, [R, B]
        pulse   finite while the weights are, [R]
        """
        mean, last = self._rows[self._kept]
        torch.mean(losses, -1, out=mean)
        last.copy_(pulse)
        self._kept, self._next = self._kept + 1, step + 1
        if self._kept == KEPT:
            self._look()

    def mean(self) -> Tensor:
        """Mean loss per step since the last call, [R]."""
        self._look()
        mean = self._sum / self._count
        self._sum, self._count = torch.zeros_like(self._sum), 0
        return mean

    @property
    def diverged(self) -> Tensor:
        """Updates after which each replica's loss or pulse was not finite, [R]; -1 for none."""
        self._look()
        return self._diverged

    def state_dict(self) -> dict[str, Any]:
        """Everything so far, as tensors and plain values."""
        self._look()
        return {"diverged": self._diverged, "sum": self._sum, "count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self._kept = 0
        self._diverged, self._sum = state["diverged"], state["sum"]
        self._count = state["count"]

    def _look(self) -> None:
        if not self._kept:
            return
        losses, pulses = self._losses[: self._kept], self._pulses[: self._kept]
        # One by one, so that a sum does not depend on where a checkpoint has cut it.
        for loss in losses:
            self._sum = self._sum + loss
        self._count += self._kept
        first, self._kept = self._next - self._kept, 0
        sick = ~(losses + pulses).isfinite()
        fresh = sick.any(0) & (self._diverged < 0)
        self._diverged = torch.where(fresh, first + sick.int().argmax(0), self._diverged)
