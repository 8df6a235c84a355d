"""Does a statistic of gradient estimates rank estimators as their tuned accuracy does?

Kendall's tau-b over the estimators of one net, mean over nets. Its null distribution comes from
permutations of the estimators, the same in all nets, because nets share what makes an estimator
good or bad: there are as many independent ranks as estimators, not as configurations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnrun.recording.intervals import mean_interval

Array = NDArray[np.float64]

PERMUTATIONS = 10_000

_EQUAL = 1e-12


@dataclass(frozen=True)
class Agreement:
    """How well one predictor ranks the estimators, E, of some nets, N.

    nets      tau of each net, of the means over seeds, [N]
    tau       their mean
    by_seed   mean over nets of the tau of each seed alone, [R]
    p         two-sided, of this predictor by itself
    adjusted  p over all predictors that are compared together, by the largest abs(tau)
    """

    nets: Array
    tau: float
    by_seed: Array
    p: float
    adjusted: float

    @property
    def half(self) -> float:
        """Half the width of the 95 % t interval of tau over seeds."""
        return float(mean_interval(self.by_seed).half)


def tau(x: ArrayLike, y: ArrayLike) -> Array:
    """Kendall's tau-b over the last axis, which is 1 for the same order; 0 if all are tied.

    Source: Kendall, The treatment of ties in ranking problems (1945).
    """
    first, second = _orders(x), _orders(y)
    pairs = np.sqrt(np.square(first).sum((-2, -1)) * np.square(second).sum((-2, -1)))
    same = (first * second).sum((-2, -1))
    return np.divide(same, pairs, out=np.zeros_like(same), where=pairs > 0)


def _orders(values: ArrayLike) -> Array:
    """Sign of each difference, [..., E] -> [..., E, E]."""
    values = np.asarray(values, dtype=np.float64)
    difference = values[..., :, None] - values[..., None, :]
    size = np.abs(values).max(-1)[..., None, None]
    return np.where(np.abs(difference) > _EQUAL * size, np.sign(difference), 0.0)


def agreements(
    predictors: Mapping[str, Array], accuracy: Array, permutations: int = PERMUTATIONS
) -> dict[str, Agreement]:
    """For each predictor [N, R, E], how it agrees with the accuracy [N, R, E].

    A value that is not finite is worse than any other: negate what is better if it is small.
    """
    truth = _finite(accuracy)
    quality = {name: _finite(values) for name, values in predictors.items()}
    random = np.random.default_rng(0)
    orders = np.array([random.permutation(truth.shape[-1]) for _ in range(permutations)])
    orders[0] = np.arange(truth.shape[-1])
    means = truth.mean(1)
    null = {
        name: np.abs(tau(values.mean(1)[:, None], means[:, orders]).mean(0))
        for name, values in quality.items()
    }
    largest = np.max(list(null.values()), axis=0)
    found = {}
    for name, values in quality.items():
        nets = tau(values.mean(1), means)
        observed = null[name][0] - _EQUAL
        found[name] = Agreement(
            nets=nets,
            tau=float(nets.mean()),
            by_seed=tau(values, truth).mean(0),
            p=float((null[name] >= observed).mean()),
            adjusted=float((largest >= observed).mean()),
        )
    return found


def _finite(values: Array) -> Array:
    worst = np.min(values, where=np.isfinite(values), initial=np.inf)
    return np.where(np.isfinite(values), values, worst - abs(worst) - 1)


def stacked(
    rows: Sequence[Mapping[str, str]],
    column: str,
    keys: Sequence[str],
    index: Sequence[Sequence[str]],
) -> Array:
    """Values of a column as an array with one axis per key, whose values are those of `index`.

    NaN where the cell is empty. Raises ValueError if a row is missing or there are two of it.
    """
    table = np.full([len(values) for values in index], np.nan)
    seen = np.zeros(table.shape, int)
    for row in rows:
        place = tuple(values.index(row[key]) for key, values in zip(keys, index, strict=True))
        table[place] = float(row[column] or "nan")
        seen[place] += 1
    if (seen != 1).any():
        place = tuple(np.argwhere(seen != 1)[0])
        at = [f"{k}={index[n][i]}" for n, (k, i) in enumerate(zip(keys, place, strict=True))]
        raise ValueError(f"{column}: {seen[place]} rows of {', '.join(at)}, not one")
    return table
