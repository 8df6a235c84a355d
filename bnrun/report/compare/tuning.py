"""The choice among settings that were tried, on validation alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bnrun.report.read.runs import Run

TUNED = ("optimizer", "scheduler")
"""Groups of settings of which each contestant takes what is best on validation."""

RULE = (
    "Where several optimizers or schedules were tried, each contestant takes what is best on "
    "validation: fewest diverged seeds, then the best mean, over the seeds that all its trials "
    "share. Where the chosen one was run with further seeds, only those count in its final scores."
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
        """Of all its runs."""
        return {seed for run in self.runs for seed in run.result["seeds"]}

    @property
    def finite(self) -> bool:
        """Whether a seed of it has a finite score."""
        return any(map(math.isfinite, self.validation.values()))

    @property
    def lr(self) -> float:
        """The learning rate; NaN where the config has none."""
        return float(self.runs[0].result["config"].get("optimizer", {}).get("lr", math.nan))


def shared_seeds(trials: Sequence[Trial]) -> set[int]:
    """Seeds that all trials have; where there is none, those of any."""
    seeds = [trial.seeds for trial in trials]
    return set.intersection(*seeds) or set.union(*seeds)


def choose(trials: Sequence[Trial], sign: float) -> Trial:
    """The best trial, by RULE; the first of equal ones. `sign` is -1 where less is better."""
    seeds = shared_seeds(trials)

    def merit(trial: Trial) -> tuple[int, float]:
        mine = trial.seeds & seeds
        values = [trial.validation.get(seed, math.nan) for seed in sorted(mine)]
        finite = [value for value in values if math.isfinite(value)]
        mean = sign * sum(finite) / len(finite) if finite else -math.inf
        return len(finite) - len(mine), mean

    return max(trials, key=merit)


def final_seeds(chosen: Trial, trials: Sequence[Trial]) -> set[int]:
    """Seeds of the chosen trial that had no part in the choice; all of its own if there is none."""
    if len(trials) == 1:
        return chosen.seeds
    return chosen.seeds - shared_seeds(trials) or chosen.seeds
