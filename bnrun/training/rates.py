"""Learning rates that differ between parts of a net."""

from collections.abc import Mapping
from typing import Any

from torch import nn


def parameter_groups(
    model: nn.Module, factors: Mapping[str, float], rate: float
) -> list[dict[str, Any]]:
    """Groups for an optimizer of torch; the first is the one whose rate is logged.

    factors  beginning of a parameter's name, e.g. "stages.0" -> factor of `rate` for it; the first
             one that fits counts. All other parameters have `rate` and come first.

    Raises ValueError for a beginning that no name has.
    """
    named = dict(model.named_parameters())
    groups = []
    for beginning, factor in factors.items():
        names = [name for name in named if name.startswith(beginning)]
        if not names:
            parts = dict.fromkeys(name.split(".")[0] for name, _ in model.named_parameters())
            raise ValueError(
                f"rates.{beginning}: no (other) parameter's name begins so, use one of "
                f"{', '.join(parts)}, or more of a name as the curves gradient/parameter/... show"
            )
        groups.append({"params": [named.pop(name) for name in names], "lr": factor * rate})
    return [{"params": list(named.values()), "lr": rate}, *groups] if named else groups
