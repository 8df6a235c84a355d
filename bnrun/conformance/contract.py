"""The rules for every call of an estimator, biased or not.

Each check gets a function that builds the estimator, and raises ContractError in one sentence.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from bnrun.conformance.measurement import Build, EstimatorFunction
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise, stream
from bnrun.estimators.tools.contract import ContractError, check_loss

SEEDS = (3, 7)
EXAMPLES, UNITS = 3, 4


def _logits(*samples: int, dtype: torch.dtype = torch.float64) -> Tensor:
    draw = stream(1, "contract").standard_normal((*samples, len(SEEDS), EXAMPLES, UNITS))
    return torch.from_numpy(1.5 * draw).to(dtype)


class _Net:
    """A small smooth downstream with weights [R, U, 2], whose gradients are compared too."""

    def __init__(self, dtype: torch.dtype, replicas: Sequence[int] = (0, 1)) -> None:
        draw = stream(2, "contract").standard_normal((len(SEEDS), UNITS, 2))
        self.weight = torch.from_numpy(draw).to(dtype)[list(replicas)].requires_grad_()

    def __call__(self, activations: Tensor) -> Tensor:
        return (activations @ self.weight).tanh().square().sum(-1)


Outcome = tuple[Tensor, Tensor, Tensor]
"""Loss [*S, R, B], its gradients: of the logits [*S, R, B, U], and of the weights [R, U, 2]."""


def _call(estimator: EstimatorFunction, logits: Tensor, noise: Noise, net: _Net) -> Outcome:
    leaf = logits.detach().requires_grad_()
    loss = estimator(leaf, net, noise)
    check_loss("the estimator", loss, leaf)
    if leaf.grad is not None or net.weight.grad is not None:
        raise ContractError(
            "a call left a gradient in .grad of the logits or of the model's weights: inside an "
            "estimator, compute gradients with torch.autograd.grad, never with backward()"
        )
    by_logits, by_weight = torch.autograd.grad(
        loss.sum(), [leaf, net.weight], materialize_grads=True
    )
    return loss.detach(), by_logits, by_weight


def _calls(build: Build, neuron: Neuron, logits: Tensor, calls: int = 3) -> list[Outcome]:
    """The outcomes of the first calls of a new estimator, which may learn in between."""
    estimator, noise, net = build(neuron), Noise(SEEDS), _Net(logits.dtype)
    return [_call(estimator, logits, noise, net) for _ in range(calls)]


def _same(first: Sequence[Outcome], second: Sequence[Outcome], tolerance: float = 0) -> bool:
    return all(
        torch.allclose(a, b, rtol=tolerance, atol=tolerance)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def check_dtypes_and_leading_axes(build: Build, neuron: Neuron) -> None:
    """The loss is [*S, R, B] for float32, float64 and any number of leading sample axes."""
    for dtype in (torch.float32, torch.float64):
        for samples in [(), (5,), (2, 3)]:
            _calls(build, neuron, _logits(*samples, dtype=dtype))


def check_strides(build: Build, neuron: Neuron) -> None:
    """Non-contiguous logits give the same result as contiguous ones."""
    logits = _logits(5)
    scattered = logits.transpose(0, -1).contiguous().transpose(0, -1)
    assert not scattered.is_contiguous()
    if not _same(_calls(build, neuron, logits), _calls(build, neuron, scattered), 1e-12):
        raise ContractError("non-contiguous logits give a different loss or gradient: avoid view()")


def check_extreme_logits(build: Build, neuron: Neuron) -> None:
    """Logits of 0 and +-1e4 (p of exactly 0 and 1 in float32) give finite losses and gradients."""
    for dtype in (torch.float32, torch.float64):
        values = torch.tensor([0.0, -200.0, 200.0, -1e4, 1e4, 17.0, -100.0, 1e-4], dtype=dtype)
        logits = values.repeat(3).view(len(SEEDS), EXAMPLES, UNITS)
        for outcome in _calls(build, neuron, logits):
            if not all(tensor.isfinite().all() for tensor in outcome):
                raise ContractError(
                    f"logits of +-1e4 in {dtype} give a loss or a gradient that is not finite: "
                    f"p may be exactly 0 or 1, so do not divide by it or take its logarithm"
                )


def check_determinism(build: Build, neuron: Neuron) -> None:
    """The same seeds give the same numbers, to the bit."""
    if not _same(_calls(build, neuron, _logits(2)), _calls(build, neuron, _logits(2))):
        raise ContractError(
            "two new estimators with the same seeds differ: draw only from the `noise` argument"
        )


def check_replicas(build: Build, neuron: Neuron) -> None:
    """Replica r of R gives the same result as its seed alone, also after learning."""
    together = _calls(build, neuron, _logits(2))
    for replica, seed in enumerate(SEEDS):
        alone, noise = build(neuron), Noise([seed])
        net, logits = _Net(torch.float64, [replica]), _logits(2)[:, [replica]]
        solo = [_call(alone, logits, noise, net) for _ in together]
        replica_of_all = [
            (loss[:, [replica]], by_logits[:, [replica]], by_weight[[replica]])
            for loss, by_logits, by_weight in together
        ]
        if not _same(replica_of_all, solo, 1e-9):
            raise ContractError(
                "a replica depends on the other replicas: keep state and averages per replica "
                "(axis -3 of the logits), and draw only from the `noise` argument"
            )


def check_state(build: Build, neuron: Neuron) -> None:
    """A new estimator that loads a saved state_dict() continues exactly like the saved one."""
    estimator, noise, net, logits = build(neuron), Noise(SEEDS), _Net(torch.float64), _logits(2)
    if not hasattr(estimator, "state_dict"):
        return
    for _ in range(3):
        _call(estimator, logits, noise, net)
    restored, noise_again = build(neuron), Noise(SEEDS)
    restored.load_state_dict(_through_a_file(estimator.state_dict()))  # type: ignore[attr-defined]  # any function
    noise_again.load_state_dict(noise.state_dict())
    first = [_call(estimator, logits, noise, net) for _ in range(3)]
    second = [_call(restored, logits, noise_again, net) for _ in range(3)]
    if not _same(first, second):
        raise ContractError(
            "an estimator restored by load_state_dict(state_dict()) gives different results: "
            "everything learned or averaged belongs in state_dict()"
        )


def _through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    restored: dict[str, Any] = torch.load(buffer, weights_only=True)
    return restored


CHECKS: tuple[Callable[[Build, Neuron], None], ...] = (
    check_dtypes_and_leading_axes,
    check_strides,
    check_extreme_logits,
    check_determinism,
    check_replicas,
    check_state,
)


def broken_rules(build: Build, neuron: Neuron) -> list[str]:
    """A sentence for each rule that the estimator breaks."""
    broken = []
    for check in CHECKS:
        try:
            check(build, neuron)
        except ContractError as error:
            broken.append(str(error))
    return broken
