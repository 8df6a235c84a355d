"""Running mean loss and divergence step of each replica."""

from typing import Any

import torch
from torch import Tensor

WINDOW = 64
"""Steps that are checked together. Checking each one costs 2 % of a small net's step."""


class Tally:
    """Mean loss of R replicas since the last call of `mean`, and when each replica diverged.

    Adding a step never makes the host wait for the device.
    """

    def __init__(self, replicas: int, device: torch.device) -> None:
        self._diverged_at = torch.full((replicas,), -1, device=device)
        self._sum, self._count = torch.zeros(replicas, device=device), 0
        # Preallocated: small tensors that outlive a step would fragment the memory of large ones.
        self._losses = torch.zeros(WINDOW, replicas, device=device)
        self._probes = torch.zeros(WINDOW, replicas, device=device)
        self._rows = list(zip(self._losses.unbind(), self._probes.unbind(), strict=True))
        self._filled, self._next_step = 0, 0

    def add(self, step: int, losses: Tensor, finite_probe: Tensor) -> None:
        """Add the update number `step`, counted from 0.

        losses        of the examples, [R, B]
        finite_probe  finite as long as the weights are, [R]
        """
        mean, probe = self._rows[self._filled]
        torch.mean(losses, -1, out=mean)
        probe.copy_(finite_probe)
        self._filled, self._next_step = self._filled + 1, step + 1
        if self._filled == WINDOW:
            self._check()

    def mean(self) -> Tensor:
        """Mean loss per step since the last call, [R]."""
        self._check()
        mean = self._sum / self._count
        self._sum, self._count = torch.zeros_like(self._sum), 0
        return mean

    @property
    def diverged_at(self) -> Tensor:
        """Number of the first update with a loss or probe that is not finite, [R]; -1 if none."""
        self._check()
        return self._diverged_at

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors and plain values."""
        self._check()
        return {"diverged": self._diverged_at, "sum": self._sum, "count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict()`."""
        self._filled = 0
        self._diverged_at, self._sum = state["diverged"], state["sum"]
        self._count = state["count"]

    def _check(self) -> None:
        if not self._filled:
            return
        losses, probes = self._losses[: self._filled], self._probes[: self._filled]
        # One by one, so that a sum does not depend on where a checkpoint has divided it.
        for loss in losses:
            self._sum = self._sum + loss
        self._count += self._filled
        first, self._filled = self._next_step - self._filled, 0
        nonfinite = ~(losses + probes).isfinite()
        newly = nonfinite.any(0) & (self._diverged_at < 0)
        step = first + nonfinite.int().argmax(0)
        self._diverged_at = torch.where(newly, step, self._diverged_at)
