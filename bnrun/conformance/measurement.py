"""Draw an estimator's gradients on a problem until their mean is known precisely enough."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from bnrun.conformance.problems import Problem, linear
from bnrun.core.chain import nest
from bnrun.core.network import Downstream
from bnrun.core.neurons import SBN, LawNeuron, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.exact import Exact
from bnrun.estimators.tools.contract import ContractError, check_loss
from bnrun.measurement import gradients

Side = Literal["logits", "upstream", "downstream", "loss"]
"""The quantities compared with the exact ones: the gradients with respect to the first layer's
logits, the weights before it and all weights after it, and the value of the loss."""
SIDES: tuple[Side, ...] = get_args(Side)

EstimatorFunction = Callable[[Tensor, Downstream, Noise], Tensor]
Build = Callable[[Neuron], EstimatorFunction]
"""Builds a new estimator for a neuron; called once for each binary layer."""

PLAIN = SBN()
WARM_UP = 20
"""Calls before measuring, so that learned parts are no longer in their initial state."""
LEAST = 4096
"""Fewest draws of a random gradient: enough to include events of probability 1/1,000."""
MOST = 2**18
EVALUATIONS_PER_CHUNK = 20_000
"""Keeps a tensor of activations near 4 MB."""


@dataclass
class Evaluations:
    """Evaluations of the head per draw: all, and those differentiated with respect to the bits."""

    total: float = 0
    differentiated: float = 0

    def count(self, activations: Tensor, draws: int) -> None:
        """Add one downstream call with activations [*S, D, R, B, U]."""
        evaluations = activations[..., 0, 0, 0].numel() / draws
        self.total += evaluations
        if activations.requires_grad and torch.is_grad_enabled():
            self.differentiated += evaluations


@dataclass(frozen=True, eq=False)
class Measurement:
    """Draws of an estimator's gradients on one problem, and the exact gradients.

    draws        by side, [D, P]
    exact        by side, [P]
    evaluations  per draw
    """

    problem: Problem
    draws: dict[Side, Tensor]
    exact: dict[Side, Tensor]
    evaluations: Evaluations = field(default_factory=Evaluations)


def measure(
    build: Build,
    problem: Problem,
    neuron: LawNeuron = PLAIN,
    precision: float = 0.0075,
    seed: int = 0,
    warm_up: int = WARM_UP,
) -> Measurement:
    """Draw until the standard error of the gradient's relative scale is below `precision`.

    Stops at 2^18 draws, or after the first 64 if the estimate is not random. The exact gradient
    is that of the SBN with the slope and noise of `neuron`, for any neuron; the problem says
    whether it is signed. An estimator that learns does so for `warm_up` calls and is then frozen.
    Raises ContractError if a call does not return a loss that can be measured.
    """
    noise = Noise([seed + replica for replica in range(problem.replicas)], "conformance")
    neuron = replace(neuron, signed=problem.signed)
    estimators = [build(neuron) for _ in range(problem.depth)]
    for _ in range(warm_up):
        draw(problem, estimators, noise, 8, neuron=neuron)
    estimators = [_frozen(estimator) for estimator in estimators]

    def draw_chunk(draws: int, evaluations: Evaluations | None) -> dict[Side, Tensor]:
        return draw(problem, estimators, noise, draws, evaluations, neuron)

    return until_precise(problem, draw_chunk, precision, neuron)


def _sampling(problem: Problem, neuron: LawNeuron) -> SBN:
    """The SBN of a problem with the slope and noise of `neuron`."""
    return SBN(signed=problem.signed, slope=neuron.slope, noise=neuron.noise)


def until_precise(
    problem: Problem,
    draw_chunk: Callable[[int, Evaluations | None], dict[Side, Tensor]],
    precision: float,
    neuron: LawNeuron = PLAIN,
) -> Measurement:
    """Draw in chunks, each independent of the others, as `measure` says.

    draw_chunk  (number of draws, where to count evaluations or None) -> draws by side, [D, P]
    neuron      whose slope and noise the exact gradient is for
    """
    evaluations = Evaluations()
    chunks = [draw_chunk(64, evaluations)]
    exact = {side: exact_gradients(problem, neuron)[side] for side in chunks[0]}
    chunk = int(min(max(EVALUATIONS_PER_CHUNK / max(evaluations.total, 1), 64), LEAST))
    while True:
        draws = {side: torch.cat([chunk[side] for chunk in chunks]) for side in exact}
        missing = _missing(draws, exact, precision)
        if missing <= 0:
            return Measurement(problem, draws, exact, evaluations)
        chunks = [draws]
        for _ in range(-(-missing // chunk)):
            chunks.append(draw_chunk(chunk, None))


def _missing(draws: dict[Side, Tensor], exact: dict[Side, Tensor], precision: float) -> int:
    """How many more draws the precision needs, estimated from the variance of those made."""
    made = len(draws["logits"])
    if all(gradients.variance(drawn) <= 1e-20 for drawn in draws.values()):
        return 0
    needed = [
        float(gradients.scale(draws[side], exact[side]).var()) / precision**2
        for side in draws
        if side != "loss"
    ]
    return int(min(max([*needed, LEAST]), MOST)) - made


class _Serving(NamedTuple):
    """The function under test, in the form in which `nest` takes the estimator of a layer."""

    function: EstimatorFunction
    firing_neuron: Neuron
    nested: bool = True

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        return self.function(logits, downstream, noise)


@cache
def exact_gradients(problem: Problem, neuron: LawNeuron = PLAIN) -> dict[Side, Tensor]:
    """Loss and gradients by enumeration of every pattern of every layer, by side, [P]."""
    exact = [Exact(neuron=_sampling(problem, neuron))] * problem.depth
    noise = Noise(range(problem.replicas))
    return {side: drawn[0] for side, drawn in draw(problem, exact, noise, 1).items()}


def draw(
    problem: Problem,
    estimators: Sequence[EstimatorFunction],
    noise: Noise,
    draws: int,
    evaluations: Evaluations | None = None,
    neuron: LawNeuron = PLAIN,
) -> dict[Side, Tensor]:
    """Many estimates in one call, by side, [D, P]: draws are a leading axis of the logits.

    neuron  whose slope and noise the bits of the later layers have

    Each draw has its own copy of all weights, so one backward pass gives a gradient per draw.
    """
    parameters = [p.expand(draws, *p.shape).clone().requires_grad_() for p in problem.parameters]
    weights, biases = parameters[0::2], parameters[1::2]

    def stage(layer: int) -> Callable[[Tensor], Tensor]:
        def logits(activations: Tensor) -> Tensor:
            _check_activations(activations, before)
            return linear(activations, weights[layer], biases[layer])

        return logits

    def head(activations: Tensor) -> Tensor:
        _check_activations(activations, before)
        if evaluations is not None:
            evaluations.count(activations, draws)
        return problem.head(activations, weights[-1], biases[-1], problem.targets)

    logits = linear(problem.inputs, weights[0], biases[0])
    before = logits.shape[:-1]
    later = [stage(layer) for layer in range(1, problem.depth)]
    serving = [_Serving(estimator, _sampling(problem, neuron)) for estimator in estimators[1:]]
    downstream = nest(later, serving, lambda fired: head(fired[-1].activations), noise)
    loss = estimators[0](logits, downstream if later else head, noise)
    check_loss("the estimator", loss, logits)
    behind = torch.autograd.grad(loss.sum(), [logits, *parameters], materialize_grads=True)
    return {
        "logits": behind[0].flatten(1),
        "upstream": _flat(behind[1:3]),
        "downstream": _flat(behind[3:]),
        "loss": loss.detach().flatten(1),
    }


def _check_activations(activations: Tensor, before: torch.Size) -> None:
    if activations.shape[-1 - len(before) : -1] != before:
        raise ContractError(
            f"the estimator called downstream on activations of shape {list(activations.shape)} "
            f"for logits with leading axes {list(before)}: activations must be "
            f"[*new, *S, R, B, U], with samples of one call on new axes in front (torch.stack, "
            f"not torch.cat)"
        )


def _flat(gradients: Sequence[Tensor]) -> Tensor:
    return torch.cat([gradient.flatten(1) for gradient in gradients], 1)


def _frozen(estimator: EstimatorFunction) -> EstimatorFunction:
    frozen = getattr(estimator, "frozen", None)
    return estimator if frozen is None else frozen()
