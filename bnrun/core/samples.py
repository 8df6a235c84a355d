"""Sample axes of passes through modules: folded into the batch, or looped over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor


class Samples(NamedTuple):
    """The sample axes S of a pass: those folded into the batch, then those looped over."""

    folded: tuple[int, ...] = ()
    looped: tuple[int, ...] = ()

    @property
    def axes(self) -> tuple[int, ...]:
        return (*self.folded, *self.looped)

    def turns(self) -> "list[Turn]":
        """One turn for each looped sample."""
        return [Turn(index) for index in product(*map(range, self.looped))]

    def joined(self, parts: Sequence[Tensor], trailing: int = 3) -> Tensor:
        """What the turns gave, [*folded, <trailing axes>] each, as [*S, <trailing axes>]."""
        if not self.looped:
            return parts[0]
        return torch.stack(list(parts), -trailing - 1).unflatten(-trailing - 1, self.looped)


@dataclass(frozen=True)
class Turn:
    """One of the samples that are looped over."""

    index: tuple[int, ...] = ()

    def part(self, values: Tensor) -> Tensor:
        """The sample of values [..., *looped, 1, B, U]; they may lack the first looped axes."""
        axes = min(len(self.index), values.dim() - 3)
        for index in self.index[len(self.index) - axes :]:
            values = values.select(-3 - axes, index)
            axes -= 1
        return values

    def among(self, logits: Tensor, see: Callable[[Tensor], Tensor]) -> Tensor:
        """What `see` makes of logits [*folded, 1, B, U] of this sample.

        It is shown them with looped axes of size 1, and may broadcast them against all samples.
        """
        if not self.index:
            return see(logits)
        *folded, replica, batch, units = logits.shape
        ones = [1] * len(self.index)
        seen = see(logits.reshape(*folded, *ones, replica, batch, units))
        for axis, index in zip(range(-3 - len(ones), -3), self.index, strict=True):
            kept = 0 if seen.shape[axis] == 1 else index
            seen = seen.narrow(axis, kept, 1)
        return seen.reshape(*seen.shape[: seen.dim() - 3 - len(ones)], *seen.shape[-3:])
