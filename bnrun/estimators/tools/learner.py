"""Base class of estimators that learn or average something while they are used."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator

Memory = dict[str, Tensor]
"""Learned values by name; each tensor leads with the replica axis, [R, ...]."""


@dataclass(frozen=True)
class Learned:
    """What an estimator has learned.

    memory    empty before the first call; shared with the frozen copies of the estimator
    writable  False in frozen copies
    """

    memory: Memory = field(default_factory=dict)
    writable: bool = True


@validated
class Learner(Estimator):
    """An estimator with a memory, one row per replica. Each layer needs its own object.

    A call reads the memory, makes its estimate, and updates the memory last, so that no estimate
    depends on a memory that its own samples have changed. It learns only while gradients are
    enabled.
    """

    # Keyword-only, so that subclasses can add positional fields.
    _learned: Learned = field(default_factory=Learned, repr=False, compare=False, kw_only=True)

    @abstractmethod
    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        """The memory before the first call. Replica r depends only on its own seed."""

    def recall(self, logits: Tensor, noise: Noise) -> Memory:
        """The memory, in the dtype and on the device of `logits`.

        Raises ValueError if it was learned with another number of replicas.
        """
        memory = self._learned.memory or self.fresh(logits, noise)
        replicas = logits.shape[-3]
        for name, value in memory.items():
            if len(value) != replicas:
                raise ValueError(
                    f"estimator {type(self).__name__} has learned {name!r} for {len(value)} "
                    f"replicas, but its logits have {replicas} on axis -3: use a separate "
                    f"estimator object for each layer and each run"
                )
        return {name: value.to(logits) for name, value in memory.items()}

    def learns(self, memory: Memory) -> bool:
        """Whether this call may change the memory.

        Raises RuntimeError if it should under torch.func, whose functions must not change anything
        outside of them.
        """
        if not (memory and self._learned.writable and torch.is_grad_enabled()):
            return False
        if torch._C._are_functorch_transforms_active():
            raise RuntimeError(
                f"estimator {type(self).__name__} learns while it is used, which a function under "
                f"torch.func must not do: use estimator.frozen() there"
            )
        return True

    def remember(self, before: Memory, after: Memory) -> None:
        """Put `after` in place of `before`, for every replica in which all of it is finite.

        One loss of NaN, or one batch without examples, must not spoil all estimates after it.
        """
        assert self._learned.writable
        finite = [value.isfinite().reshape(len(value), -1).all(1) for value in after.values()]
        sound = torch.stack(finite).all(0)
        for name, value in after.items():
            rows = sound.view(-1, *[1] * (value.dim() - 1))
            self._learned.memory[name] = torch.where(rows, value, before[name]).detach()

    def frozen(self) -> Self:
        """A copy that reads the same memory and never changes it."""
        return replace(self, _learned=replace(self._learned, writable=False))

    def state_dict(self) -> dict[str, Any]:
        return dict(self._learned.memory)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._learned.memory.clear()
        self._learned.memory.update({name: value.clone() for name, value in state.items()})


def replica_mean(values: Tensor) -> Tensor:
    """Mean over samples and examples, [*S, R, B, V] -> [R, 1, V]."""
    *_, replicas, _, width = values.shape
    return values.mean(-2, keepdim=True).reshape(-1, replicas, 1, width).mean(0)
