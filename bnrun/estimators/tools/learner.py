"""Estimators that learn or average something while they are used."""

import copy
from abc import abstractmethod
from dataclasses import field
from typing import Any, Self

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator

Memory = dict[str, Tensor]
"""What was learned, by name; each tensor leads with the replica axis, [R, ...]."""


@validated
class Learner(Estimator):
    """An estimator with a memory, one row per replica; one object serves one layer.

    A call reads the memory, makes the estimate, and only then puts what it learned in its place:
    no sample meets a memory that has seen it. It learns where gradients are enabled.
    """

    # By keyword only: pydantic counts them among the positional arguments of a subclass.
    _memory: Memory = field(
        init=False, default_factory=dict, repr=False, compare=False, kw_only=True
    )
    _learning: bool = field(init=False, default=True, repr=False, compare=False, kw_only=True)

    @abstractmethod
    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        """The memory before the first call. Replica r depends on its seed alone."""

    def recall(self, logits: Tensor, noise: Noise) -> Memory:
        """The memory, in the dtype and on the device of `logits`.

        Raises ValueError if it was learned with another number of replicas.
        """
        memory = self._memory or self.fresh(logits, noise)
        replicas = logits.shape[-3]
        for name, value in memory.items():
            if len(value) != replicas:
                raise ValueError(
                    f"estimator {type(self).__name__} has learned {name!r} for {len(value)} "
                    f"replicas, its logits have {replicas} on axis -3: give every layer and "
                    f"every run an estimator of its own"
                )
        return {name: value.to(logits) for name, value in memory.items()}

    def learns(self) -> bool:
        """Whether this call may change the memory."""
        return self._learning and torch.is_grad_enabled()

    def remember(self, memory: Memory) -> None:
        """Put `memory` in place of the old one."""
        assert self.learns()
        self._memory.update({name: value.detach() for name, value in memory.items()})

    def frozen(self) -> Self:
        """The same estimator, on the same memory, that does not learn from its calls."""
        twin = copy.copy(self)
        object.__setattr__(twin, "_learning", False)
        return twin

    def state_dict(self) -> dict[str, Any]:
        return dict(self._memory)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._memory.clear()
        self._memory.update({name: value.clone() for name, value in state.items()})


def replica_mean(values: Tensor) -> Tensor:
    """Mean over samples and examples, [*S, R, B, V] -> [R, 1, V]."""
    *_, replicas, _, width = values.shape
    return values.mean(-2, keepdim=True).reshape(-1, replicas, 1, width).mean(0)
