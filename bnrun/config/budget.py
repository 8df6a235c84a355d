"""How much of a recipe to run: its values for each budget stand side by side in its config."""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig


def place_of(budget: str | None, budgets: Sequence[str]) -> int:
    """The place of `budget` among those that a recipe offers.

    Raises ValueError for one that it does not offer, and where there is none at all.
    """
    if budget is not None and budget in budgets:
        return list(budgets).index(budget)
    if budgets:
        raise ValueError(f"budget={budget}: no such budget, use one of {', '.join(budgets)}")
    raise ValueError(
        f"budget={budget}: nothing here depends on a budget: choose a recipe that does, as in "
        f"experiment=r2rt budget={budget}, or leave it out"
    )


def by_budget(values: Sequence[Any], root: DictConfig) -> Any:
    """What ${by_budget:a,b,c} stands for: one value for each of the config's `budgets`, in order.

    Raises ValueError for a budget that is not among them, or another number of values.
    """
    place = place_of(root.budget, root.budgets)
    if len(values) != len(root.budgets):
        raise ValueError(
            f"${{by_budget:...}} has {len(values)} values, but there are {len(root.budgets)} "
            f"budgets ({', '.join(root.budgets)}): give one for each"
        )
    return values[place]
