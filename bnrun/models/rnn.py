"""Recurrent nets with a binary state."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from bnrun.core.fields import PositiveInt, validated
from bnrun.core.modules import Modules
from bnrun.core.network import Network
from bnrun.core.sites import Site
from bnrun.models.base import Model


@validated
class RNN(Model):
    """Reads an image row by row: bits_t = fire(norm(V x_t + W bits_(t-1) + b)); bits_T decide.

    hidden  units of the state, which starts at 0
    norm    "layer" normalises the logits of each step, "none" does not

    Sequences of vectors are images of one channel, [N, T, F] in a file. The state is one binary
    layer that is used T times, so its gradients and statistics are those of all T steps. The
    initial recurrent weights are orthogonal.

    Source: Elman, Finding Structure in Time (1990); orthogonal weights: Saxe, McClelland, Ganguli
    (2013), arXiv 1312.6120; norm: Ba, Kiros, Hinton (2016), arXiv 1607.06450.
    """

    hidden: PositiveInt = 100
    norm: Literal["layer", "none"] = "layer"

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Network:
        """Build the nets for images or sequences of `shape` (C, T, F).

        Raises ValueError if the inputs are neither.
        """
        if len(shape) != 3:
            raise ValueError(
                f"model=rnn reads images row by row, or sequences [T, F] step by step, but the "
                f"dataset has inputs of shape {tuple(shape)}: choose model=mlp"
            )
        make = partial(RecurrentNet, shape[0] * shape[2], outputs, self.hidden, self.norm)
        return Modules(make, shape, outputs, seeds, "model=rnn")


class RecurrentNet(nn.Module):
    """The net of one seed, [N, C, T, F] -> [N, outputs]."""

    def __init__(self, features: int, outputs: int, hidden: int, norm: str) -> None:
        super().__init__()
        self.inward = nn.Linear(features, hidden)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)
        nn.init.orthogonal_(self.recurrent.weight)
        self.norm = nn.LayerNorm(hidden) if norm == "layer" else nn.Identity()
        self.bits = Site()
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = self.inward(x.transpose(1, 2).flatten(2)).unbind(1)
        bits = self.bits(self.norm(first))
        for step in rest:
            bits = self.bits(self.norm(step + self.recurrent(bits)))
        outputs: Tensor = self.head(bits)
        return outputs
