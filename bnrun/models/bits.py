"""Bits with free logits, which depend on no input."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveInt, validated
from bnrun.models.base import Model


@validated
class Bits(Model):
    """One layer of binary units whose logits are the weights; the outputs are the activations.

    units  number of bits
    logit  initial logit of every bit
    """

    units: PositiveInt = 1
    logit: float = 0.0

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """Build the net, which uses nothing of its inputs but their number.

        Raises ValueError unless the task wants one output, or one per bit.
        """
        if outputs not in (1, self.units):
            raise ValueError(
                f"model=bits has its {self.units} bits as outputs, but the task wants "
                f"{outputs}: choose task=toy, or model=mlp"
            )
        logits = torch.full((len(seeds), 1, self.units), self.logit)
        return Chain([_Free(logits, len(shape))], nn.Identity(), [self.units])


class _Free(nn.Module):
    """Inputs [*S, R, B, *shape] -> the same logits [*S, R, B, U] for all of them."""

    def __init__(self, logits: Tensor, axes: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(*x.shape[: x.dim() - self.axes], -1)
