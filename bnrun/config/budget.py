"""How much of a recipe to run: a recipe lists one value per budget, side by side."""

from collections.abc import Sequence
from typing import Any


def index_of(budget: str | None, budgets: Sequence[str]) -> int:
    """Index of `budget` among the budgets that a recipe offers.

    Raises ValueError if the recipe does not offer it, or if there is no recipe with budgets.
    """
    if budget is not None and budget in budgets:
        return list(budgets).index(budget)
    if budgets:
        raise ValueError(f"budget={budget}: no such budget, use one of {', '.join(budgets)}")
    raise ValueError(
        f"budget={budget}: nothing in this config depends on a budget: leave it out, or choose a "
        f"recipe that offers budgets, like experiment=r2rt budget={budget}"
    )


def by_budget(values: Sequence[Any], budget: str | None, budgets: Sequence[str]) -> Any:
    """The value of ${by_budget:a,b,c} in a config: one value for each of `budgets`, in order.

    Raises ValueError if `budget` is not among `budgets`, or if the number of values is wrong.
    """
    index = index_of(budget, budgets)
    if len(values) != len(budgets):
        raise ValueError(
            f"${{by_budget:...}} has {len(values)} values, but there are {len(budgets)} "
            f"budgets ({', '.join(budgets)}): give one value per budget"
        )
    return values[index]
