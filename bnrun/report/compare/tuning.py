"""Choosing among the settings that were tried, on validation only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bnrun.report.read.runs import Run

TUNED = ("optimizer", "scheduler")
"""Groups whose settings are chosen on validation, separately for each contestant."""

RULE = (
    "Where several optimizers or schedules were tried, each contestant uses the one that is best "
    "on validation: fewest diverged seeds, then the best mean, over the seeds that all its trials "
    "share. If the chosen one was also run with further seeds, only those count in its final "
    "scores."
)


@dataclass(frozen=True)
class Trial:
    """One of the settings that were tried for a contestant.

    choice      e.g. optimizer.lr=0.1
    runs        with this setting
    validation  seed -> score, NaN for a seed that diverged
    """

    choice: str
    runs: tuple[Run, ...]
    validation: dict[int, float]

    @property
    def seeds(self) -> set[int]:
        """Seeds of all its runs."""
        return {seed for run in self.runs for seed in run.result["seeds"]}

    @property
    def finite(self) -> bool:
        """Whether at least one seed has a finite score."""
        return any(map(math.isfinite, self.validation.values()))

    @property
    def lr(self) -> float:
        """The learning rate; NaN if the config has none."""
        optimizer = self.runs[0].result["config"].get("optimizer")
        rate = optimizer.get("lr") if isinstance(optimizer, dict) else None
        try:
            return float(rate) if isinstance(rate, int | float) else math.nan
        except OverflowError:
            return math.nan


def shared_seeds(trials: Sequence[Trial]) -> set[int]:
    """Seeds that all trials have; the seeds of any trial if there are none."""
    seeds = [trial.seeds for trial in trials]
    return set.intersection(*seeds) or set.union(*seeds)


def choose(trials: Sequence[Trial], sign: float) -> Trial:
    """The best trial by RULE, the first of equal ones. `sign` is -1 if less is better."""
    shared = shared_seeds(trials)

    def merit(trial: Trial) -> tuple[int, float]:
        seeds = trial.seeds & shared
        values = [trial.validation.get(seed, math.nan) for seed in sorted(seeds)]
        finite = [value for value in values if math.isfinite(value)]
        mean = sign * sum(finite) / len(finite) if finite else -math.inf
        return len(finite) - len(seeds), mean

    return max(trials, key=merit)


def final_seeds(chosen: Trial, trials: Sequence[Trial]) -> set[int]:
    """Seeds of the chosen trial that played no part in the choice; all its seeds if none."""
    if len(trials) == 1:
        return chosen.seeds
    return chosen.seeds - shared_seeds(trials) or chosen.seeds
