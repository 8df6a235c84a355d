"""Functions that return gradient draws by themselves: anybody's, in NumPy, JAX or torch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from bnrun.conformance.measurement import (
    Evaluations,
    Measurement,
    Side,
    until_precise,
)
from bnrun.conformance.problems import Problem, linear
from bnrun.core.chain import nest
from bnrun.core.network import Downstream
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.exact import Exact
from bnrun.estimators.tools.contract import ContractError


@dataclass(frozen=True)
class Loss:
    """The rest of the net as a function of a layer's bits, each 0 or 1.

    Takes [*S, B, U], with any axes S in front, and returns the loss of each example, [*S, B]. Later
    binary layers are enumerated, so it is a deterministic function. A torch tensor gives a tensor
    with its graph; any other array gives a NumPy array of float64.
    """

    _downstream: Downstream
    _evaluations: Evaluations = field(default_factory=Evaluations)
    _draws: int = 1

    def __call__(self, bits: Any) -> Any:
        if isinstance(bits, Tensor):
            return self._of(bits)
        return self._of(_tensor(bits)).detach().numpy()

    def gradient(self, bits: Any) -> Any:
        """The gradient with respect to the bits, as if they were real numbers, [*S, B, U]."""
        leaf = _tensor(bits).detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(self._of(leaf).sum(), leaf)
        return slope if isinstance(bits, Tensor) else slope.numpy()

    def _of(self, bits: Tensor) -> Tensor:
        activations = bits.double().unsqueeze(-3)  # [*S, R = 1, B, U]
        self._evaluations.count(activations, self._draws)
        return self._downstream(activations).squeeze(-2)


DrawsFunction = Callable[[NDArray[np.float64], Loss, int, int], ArrayLike]
"""(logits [B, U], loss, number of draws D, seed) -> estimates of the gradient, [D, B, U].

Draws are independent of each other, and of those of every other seed.
"""


def measure_draws(
    function: DrawsFunction, problem: Problem, precision: float = 0.0075, seed: int = 0
) -> Measurement:
    """As `measure`, for the gradient with respect to the first layer's logits alone.

    Raises ContractError if a call does not return draws that can be measured.
    """
    replicas = [_replica(problem, r) for r in range(problem.replicas)]
    seeds = count(seed)

    def draw_chunk(draws: int, counted: Evaluations | None) -> dict[Side, Tensor]:
        parts = [
            _drawn(function, replica, draws, next(seeds), counted if r == 0 else None)
            for r, replica in enumerate(replicas)
        ]
        return {"logits": torch.cat(parts, 1)}

    _check_randomness(function, replicas[0], seed)
    return until_precise(problem, draw_chunk, precision)


def _drawn(
    function: DrawsFunction,
    replica: tuple[Tensor, Downstream],
    draws: int,
    seed: int,
    evaluations: Evaluations | None = None,
) -> Tensor:
    """Draws of one replica, [D, B * U]."""
    logits, downstream = replica
    loss = Loss(downstream, evaluations or Evaluations(), draws)
    drawn = _tensor(function(logits.numpy().copy(), loss, draws, seed)).detach().double()
    if drawn.shape != (draws, *logits.shape):
        raise ContractError(
            f"the function returned draws of shape {list(drawn.shape)} for {draws} draws and "
            f"logits [B, U] of shape {list(logits.shape)}: it must be [draws, B, U], "
            f"{[draws, *logits.shape]}"
        )
    if not drawn.isfinite().all():
        raise ContractError("the function returned draws that are not finite")
    return drawn.flatten(1)


def _check_randomness(
    function: DrawsFunction, replica: tuple[Tensor, Downstream], seed: int
) -> None:
    """Raises ContractError for draws that are copies of each other, which averaging cannot help."""
    first, second = (_drawn(function, replica, 64, number) for number in (seed, seed + 1))
    varies = bool((first != first[0]).any())
    if varies and torch.equal(first, second):
        raise ContractError(
            "the function returned the same draws for two seeds: draw from a generator made from "
            "`seed`, like numpy.random.default_rng(seed)"
        )
    if not varies and not torch.allclose(first, second, rtol=1e-9, atol=1e-12):
        raise ContractError(
            "the function returned copies of one draw: draw random numbers for each of them"
        )


def _replica(problem: Problem, replica: int) -> tuple[Tensor, Downstream]:
    """Logits [B, U] of the first layer for one replica, and the rest of its net."""
    one = slice(replica, replica + 1)
    stages = [(weight[one], bias[one]) for weight, bias in problem.stages]
    head = [tensor[one] for tensor in (problem.weight, problem.bias, problem.targets)]
    neuron = SBN(signed=problem.signed)

    def stage(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda activations: linear(activations, weight, bias)

    rest = nest(
        [stage(*parameters) for parameters in stages[1:]],
        [Exact(neuron=neuron)] * (problem.depth - 1),
        lambda fired: problem.head(fired[-1].activations, *head),
        Noise([0]),
    )

    def downstream(bits: Tensor) -> Tensor:
        activations = neuron.encode(bits)
        return rest(activations) if problem.depth > 1 else problem.head(activations, *head)

    return linear(problem.inputs[one], *stages[0])[0], downstream


def _tensor(array: Any) -> Tensor:
    return array if isinstance(array, Tensor) else torch.from_numpy(np.array(array, np.float64))
