"""What a model is: stages with binary layers between them, and a head."""

from collections.abc import Sequence

from torch import Tensor, nn

from bnrun.estimators.base import Fired


class Chain(nn.Module):
    """Stage k maps activations to the logits of binary layer k; the head maps to the outputs.

    stages    each [*S, R, B, ...] -> logits [*S, R, B, U_k]
    head      [*S, R, B, U_last] -> outputs [*S, R, B, ...]
    units     of each binary layer
    """

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module, units: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head
        self.units = tuple(units)

    @property
    def widest(self) -> int:
        """Units of the largest layer that is made for each sample of the bits."""
        return max(self.units)

    def outputs(self, inputs: Tensor, fired: Sequence[Fired]) -> Tensor:
        """What the net says about inputs [R, B, ...] at the end of one pass, [*S, R, B, ...]."""
        said: Tensor = self.head(fired[-1].activations)
        return said

    def filters(self) -> Tensor | None:
        """First-layer weights of the first replica as grey tiles, [N, H, W]; None if no image."""
        return None
