"""Nets of logic gates with two inputs."""

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from bnrun.core.fields import PositiveFloat, PositiveInt, validated
from bnrun.core.modules import Modules
from bnrun.core.network import Network
from bnrun.core.sites import Site
from bnrun.models.base import Model

_NEARLY = 3.0
"""Logit of a probability of .95. Of a gate that is "pass on a" in .9 of all draws, and any other of
the 16 gates otherwise, the entries of the mean truth table have that probability."""


@validated
class Logic(Model):
    """Layers of gates between random pairs of bits; classes have the counts of groups of gates.

    gates        in each layer; a multiple of the number of classes
    depth        layers of gates
    threshold    inputs above it are 1
    temperature  the count of ones in a class's group is divided by it
    init         logits of the truth tables: "random" (standard normal), or "pass_through": every
                 gate starts near "pass on the first input", so that deep nets have a gradient

    A gate is its truth table, four bits of one layer of units that the batch shares: the output is
    table[a, b], interpolated linearly in a and b where these are probabilities. With thresholded
    bits, the net is a circuit. The wiring is drawn once per seed; it uses each bit about as often.

    Source: Petersen et al., Deep Differentiable Logic Gate Networks (2022), arXiv 2210.08277, whose
    gates are a softmax over 16; start near pass-through: Petersen et al., Convolutional
    Differentiable Logic Gate Networks (2024), arXiv 2411.04732.
    """

    gates: PositiveInt = 1000
    depth: PositiveInt = 3
    threshold: float = 0.5
    temperature: PositiveFloat = 10.0
    init: Literal["random", "pass_through"] = "pass_through"

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Network:
        """Build the nets for inputs of any shape.

        Raises ValueError if the gates of the last layer cannot be divided among the outputs.
        """
        if self.gates % outputs:
            raise ValueError(
                f"model.gates={self.gates}: the gates are divided among {outputs} classes, so use "
                f"a multiple of {outputs}, e.g. {-(-self.gates // outputs) * outputs}"
            )
        make = partial(self._net, prod(shape), outputs)
        return Modules(make, shape, outputs, seeds, "model=logic")

    def _net(self, inputs: int, outputs: int) -> nn.Module:
        widths = [inputs] + [self.gates] * self.depth
        layers = [Gates(width, self.gates, self.init) for width in widths[:-1]]
        return _LogicNet(self.threshold, layers, outputs, self.temperature)


class _LogicNet(nn.Module):
    """The net of one seed, [N, ...] -> [N, outputs]."""

    def __init__(
        self, threshold: float, layers: Sequence[nn.Module], outputs: int, temperature: float
    ) -> None:
        super().__init__()
        self.threshold, self.outputs, self.temperature = threshold, outputs, temperature
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        bits: Tensor = self.layers((x.flatten(1) > self.threshold).to(x.dtype))
        return bits.unflatten(1, (self.outputs, -1)).sum(-1) / self.temperature


class Gates(nn.Module):
    """A layer of gates with fixed random wiring, [N, inputs] -> [N, gates], of values in [0, 1]."""

    first: Tensor
    second: Tensor

    def __init__(self, inputs: int, gates: int, init: Literal["random", "pass_through"]) -> None:
        super().__init__()
        wires = torch.cat([torch.randperm(inputs) for _ in range(-(-2 * gates // inputs))])
        wires = wires[: 2 * gates][torch.randperm(2 * gates)]
        self.register_buffer("first", wires[:gates])
        self.register_buffer("second", wires[gates:])
        logits = torch.randn(4, gates)
        if init == "pass_through":
            # Of table[a, b] in the order 00, 01, 10, 11; a little noise tells the gates apart.
            logits = _NEARLY * torch.tensor([-1.0, -1.0, 1.0, 1.0]).view(4, 1) + 0.1 * logits
        self.logits = nn.Parameter(logits)
        self.table = Site(shared=True, signed=False)

    def forward(self, x: Tensor) -> Tensor:
        # Rows of one value for all examples are gathered several times faster than columns.
        bits = x.mT
        a, b = bits.index_select(0, self.first), bits.index_select(0, self.second)
        none, right, left, both = self.table(self.logits).unsqueeze(-1)
        # table[0, b] + a * (table[1, b] - table[0, b])
        zero = torch.addcmul(none, b, right - none)
        one = torch.addcmul(left, b, both - left)
        outputs: Tensor = torch.lerp(zero, one, a)
        return outputs.mT
