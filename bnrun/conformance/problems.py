"""Small nets of binary layers, whose exact gradient is cheap to enumerate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from bnrun.core.noise import stream

Head = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(activations [*S, R, B, U], weight, bias, targets) -> loss per example [*S, R, B]."""

REPLICAS, EXAMPLES, INPUTS, CLASSES = 2, 3, 4, 3


@dataclass(frozen=True, eq=False)
class Problem:
    """A net with one or more binary layers in float64: inputs, tuple(stages), head, loss.

    name      e.g. "2 layers, quadratic"
    inputs    [R, B, I]
    stages    weight [R, I, U] and bias [R, 1, U] of each binary layer's logits
    head      loss of the last layer's activations
    weight, bias, targets   the other arguments of `head`, each with the replica axis
    signed    whether activations are -1 and +1
    """

    name: str
    inputs: Tensor
    stages: tuple[tuple[Tensor, Tensor], ...]
    head: Head
    weight: Tensor
    bias: Tensor
    targets: Tensor
    signed: bool

    @property
    def depth(self) -> int:
        """The number of binary layers."""
        return len(self.stages)

    @property
    def replicas(self) -> int:
        """R."""
        return len(self.inputs)

    @property
    def parameters(self) -> list[Tensor]:
        """Weight and bias of every stage, then the head's."""
        return [*(tensor for stage in self.stages for tensor in stage), self.weight, self.bias]


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[*S, R, B, I] times weight [*D, R, I, U] plus bias [*D, R, 1, U].

    D is a suffix of S.
    """
    return inputs @ weight + bias


def multilinear(activations: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Product over units of (bias + weight * activation): no unit is ever squared."""
    return (bias + weight * activations).prod(-1) * targets.squeeze(-1)


def quadratic(activations: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Squared error of a linear readout: squares and products of units."""
    return (linear(activations, weight, bias) - targets).square().sum(-1)


def cross_entropy(activations: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of a linear readout: smooth, not a polynomial of low degree."""
    return -(linear(activations, weight, bias).log_softmax(-1) * targets).sum(-1)


def _problem(seed: int, hidden: Sequence[int], head: Head, signed: bool = False) -> Problem:
    """A net with layers of `hidden` units and random weights from `seed`."""
    plural = "s" * (len(hidden) > 1)
    name = f"{len(hidden)} layer{plural}, {head.__name__.replace('_', '-')}{', signed' * signed}"
    draw = stream(seed, "conformance", name)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.from_numpy(scale * draw.standard_normal((REPLICAS, *shape)))

    stages = [(normal(INPUTS, hidden[0], scale=0.75), normal(1, hidden[0], scale=0.5))]
    for units, more in pairwise(hidden):
        # Steep, and centred on the previous layer: else the gradient of the first layer is tiny.
        weight = normal(units, more, scale=4 / units**0.5)
        centre = 0.0 if signed else weight.sum(-2, keepdim=True) / 2
        stages.append((weight, normal(1, more, scale=0.5) - centre))
    if head is multilinear:
        weight, bias = normal(1, hidden[-1], scale=0.5), 1 + normal(1, hidden[-1], scale=0.2)
        targets = 1 + normal(EXAMPLES, 1, scale=0.5)
    else:
        weight, bias = normal(hidden[-1], CLASSES, scale=1.2), normal(1, CLASSES)
        classes = torch.from_numpy(draw.integers(0, CLASSES, (REPLICAS, EXAMPLES)))
        targets = torch.nn.functional.one_hot(classes, CLASSES).double()
    inputs = normal(EXAMPLES, INPUTS)
    return Problem(name, inputs, tuple(stages), head, weight, bias, targets, signed)


@cache
def problems() -> tuple[Problem, ...]:
    """The kit's nets: one to three binary layers of 2-5 units.

    The seeds are the best of 40: their gradients are large compared with the noise of the
    estimates, so that an error of 5 % shows within 100,000 draws, even for plain REINFORCE in three
    layers.
    """
    return (
        _problem(6, [5], multilinear),
        _problem(12, [5], quadratic),
        _problem(7, [4], quadratic, signed=True),
        _problem(12, [5], cross_entropy),
        _problem(14, [4, 3], quadratic),
        _problem(11, [3, 3], cross_entropy, signed=True),
        _problem(1, [3, 2, 2], quadratic),
    )
