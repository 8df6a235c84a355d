"""Learning rates that differ between parts of a net."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from bnrun.recording import tags


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
