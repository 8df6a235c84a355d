"""Conditional computation: a small net decides which units of a large one are computed."""

from collections.abc import Sequence
from math import log, prod
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.layers import Activation
from bnrun.core.network import Pass
from bnrun.core.products import Linear
from bnrun.models.base import Model


@validated
class GatedMLP(Model):
    """One hidden layer whose units are multiplied by gates; the gates are the binary layer.

    hidden      number of hidden units in the main path, and of gates
    gater       tanh units of the small net that computes the logits of the gates
    activation  of the main path
    open        probability that a gate is open at the start, set by the biases of its logits
    init        initial weights, by name (see bnrun.core.initial.initial_weight)

    Source: Bengio, Leonard, Courville, Estimating or Propagating Gradients Through Stochastic
    Neurons for Conditional Computation (2013), arXiv 1308.3432.
    """

    hidden: PositiveInt = 2000
    gater: PositiveInt = 400
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    open: Annotated[float, Field(gt=0, lt=1)] = 0.1
    init: Init = "default"

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """Build the net for inputs of any shape.

        The names of its parameters start with "stages" for the gater, "main" and "head".
        """
        flat, units = nn.Flatten(start_dim=-len(shape)), prod(shape)
        logits = Linear(self.gater, self.hidden, seeds, "gates", self.init)
        with torch.no_grad():
            logits.bias.fill_(log(self.open / (1 - self.open)))
        first = Linear(units, self.gater, seeds, "gater", self.init)
        main = Linear(units, self.hidden, seeds, "main", self.init)
        return _GatedChain(
            nn.Sequential(flat, first, Activation("tanh"), logits),
            nn.Sequential(flat, main, Activation(self.activation)),
            Linear(self.hidden, outputs, seeds, "head", self.init),
            self.hidden,
        )


class _GatedChain(Chain):
    def __init__(self, gater: nn.Module, main: nn.Module, head: nn.Module, gates: int) -> None:
        super().__init__([gater], head, [gates])
        self.main = main

    def outputs(self, inputs: Tensor, fired: Pass) -> Tensor:
        outputs: Tensor = self.head(self.main(inputs) * fired[-1].activations)
        return outputs
