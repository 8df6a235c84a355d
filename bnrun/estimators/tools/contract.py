"""The contract of a call, checked where every estimator is entered, yours and ours.

A wrong shape broadcasts, a wrong dtype rounds, overwritten bits change the score: each gives a
wrong gradient without an error. The checks look at shapes, dtypes and version counters only, never
at values.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from bnrun.core.network import Downstream
from bnrun.core.noise import Noise

Call = Callable[[Any, Tensor, Downstream, Noise], Tensor]
"""An estimator's `__call__`, with the estimator in front."""


class ContractError(ValueError):
    """A call that breaks the contract, so that its gradient would be wrong or is missing."""


_PRECISIONS = (torch.float32, torch.float64)

_IN_PLACE = (
    "downstream changed the activations in place, but the estimator still needs the bits: use the "
    "out-of-place operation, or clone them first"
)


def checked(call: Call) -> Call:
    """`call`, an estimator's `__call__`, with what goes in and what comes out checked.

    Under autocast the estimator itself runs without it, since probabilities and scores need
    float32; downstream runs with it, as the caller wants.

    Raises ContractError, which names the estimator, what it was given and what it needs.
    """

    @wraps(call)
    def entered(self: Any, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        name = type(self).__name__
        _check_logits(name, logits)
        checked = _checked_downstream(name, downstream)
        device = logits.device.type
        # Not every device has autocast; the meta device of tests has not.
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                loss = call(self, logits, _autocast(checked), noise)
        else:
            loss = call(self, logits, checked, noise)
        check_loss(f"estimator {name}", loss, logits)
        return loss

    return entered


def _check_logits(name: str, logits: Tensor) -> None:
    if logits.dim() < 3:
        raise ContractError(
            f"estimator {name} was given logits of shape {list(logits.shape)}: they must be "
            f"[*S, R, B, U], with axes for replicas, examples and units; for one replica use "
            f"logits.unsqueeze(0)"
        )
    if logits.dtype not in _PRECISIONS:
        raise ContractError(
            f"estimator {name} was given logits of {logits.dtype}: probabilities and uniforms need "
            f"float32 or float64, so pass logits.float()"
        )
    # Only recomputing under torch.utils.checkpoint runs a forward pass inside a backward pass.
    if torch._C._current_graph_task_id() != -1:
        raise RuntimeError(
            f"estimator {name} was called again during the backward pass, as "
            f"torch.utils.checkpoint does: its noise has moved on, so it would fire other bits "
            f"than the loss was computed with; keep estimators outside of checkpointed functions"
        )


def _autocast(downstream: Downstream) -> Downstream:
    def cast(activations: Tensor) -> Tensor:
        device = activations.device.type
        with torch.autocast(device, torch.get_autocast_dtype(device)):
            return downstream(activations)

    return cast


def _checked_downstream(name: str, downstream: Downstream) -> Downstream:
    def called(activations: Tensor) -> Tensor:
        tracked = not activations.is_inference()
        version = activations._version if tracked else 0
        try:
            losses = downstream(activations)
        except RuntimeError as error:
            if "inplace" in str(error) or "in-place" in str(error):
                error.add_note(f"estimator {name}: {_IN_PLACE}")
            raise
        if not isinstance(losses, Tensor):
            raise ContractError(
                f"estimator {name}: downstream returned a "
                f"{type(losses).__name__}, not a tensor of losses"
            )
        if losses.shape != activations.shape[:-1]:
            raise ContractError(
                f"estimator {name}: downstream returned losses of shape "
                f"{list(losses.shape)} for activations [*S, R, B, U] of shape "
                f"{list(activations.shape)}: it must return one loss per example, [*S, R, B], "
                f"{list(activations.shape[:-1])}"
            )
        if tracked and activations._version != version:
            raise ContractError(f"estimator {name}: {_IN_PLACE}")
        return losses if losses.dtype == activations.dtype else losses.to(activations.dtype)

    return called


def check_loss(who: str, loss: object, logits: Tensor) -> None:
    """Raise ContractError unless `loss` is a loss per example of `logits`, with a gradient.

    who  returned it, as the message calls it
    """
    if not isinstance(loss, Tensor):
        raise ContractError(f"{who} returned a {type(loss).__name__}, not a tensor")
    if loss.shape != logits.shape[:-1]:
        raise ContractError(
            f"{who} returned a loss of shape {list(loss.shape)} for logits "
            f"[*S, R, B, U] of shape {list(logits.shape)}: it must return [*S, R, B], "
            f"{list(logits.shape[:-1])}, one loss per example"
        )
    if loss.dtype != logits.dtype:
        raise ContractError(
            f"{who} returned a loss of {loss.dtype} for logits of {logits.dtype}: "
            f"compute it in the dtype of the logits"
        )
    if logits.requires_grad and torch.is_grad_enabled() and not loss.requires_grad:
        raise ContractError(
            f"{who} returned a loss without a gradient: it is not connected to the "
            f"logits, or downstream is not differentiable (a comparison, argmax or detach); for "
            f"such a downstream use one that needs no derivative, like estimator=disarm"
        )
