"""Learning rates: those of single parts of a net, and a check that a schedule can be followed."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from bnrun.recording import tags
from bnrun.training.uncompiled import MakeOptimizer, built, update

MakeScheduler = Callable[[Optimizer], LRScheduler]

REHEARSED_STEPS = 100
"""Steps of an optimizer and its schedule to try before training; they take 3 ms."""


def parameter_groups(
    model: nn.Module, factors: Mapping[str, float], rate: float
) -> list[dict[str, Any]]:
    """Parameter groups for a torch optimizer; the first group's rate is the one that is logged.

    factors  prefix of parameter names, e.g. "stages.0" -> factor of `rate`. The first prefix that
             matches counts. All other parameters have `rate` and are the first group.

    Raises ValueError for a prefix that matches no parameter.
    """
    remaining = dict(model.named_parameters())
    groups = []
    for prefix, factor in factors.items():
        names = [name for name in remaining if name.startswith(prefix)]
        if not names:
            parts = dict.fromkeys(name.split(".")[0] for name, _ in model.named_parameters())
            raise ValueError(
                f"rates.{prefix}: no (other) parameter's name starts with {prefix}; use one of "
                f"{', '.join(parts)}, or a longer prefix; the curves "
                f"{tags.parameter_gradient('...')} show all names"
            )
        groups.append({"params": [remaining.pop(name) for name in names], "lr": factor * rate})
    return [{"params": list(remaining.values()), "lr": rate}, *groups] if remaining else groups


def rehearse(make_optimizer: MakeOptimizer, make_scheduler: MakeScheduler) -> None:
    """Try the first steps of an optimizer and its schedule on a single number.

    Raises ValueError for values that would stop a training later, like scheduler.step_size=0.
    """
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)
    rejected_by = f"optimizer: {_described(make_optimizer)}"
    try:
        optimizer = built(make_optimizer, [weight])
        update(optimizer)
        rejected_by = f"scheduler: {_described(make_scheduler)}"
        scheduler = make_scheduler(optimizer)
        for _ in range(REHEARSED_STEPS):
            update(optimizer)
            scheduler.step()
            if not optimizer.param_groups[0]["lr"] >= 0:
                raise ValueError("the learning rate becomes negative")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{rejected_by}: {error}") from error


def _described(make: MakeOptimizer | MakeScheduler) -> str:
    """E.g. SGD rejected lr=1.5, momentum=x."""
    assert isinstance(make, partial)  # _partial_: true in its yaml
    values = ", ".join(f"{key}={value}" for key, value in make.keywords.items())
    return f"{make.func.__name__} rejected {values}"
