"""The options of a sweep, which all its jobs share, and of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bnrun.config.errors import UserError
from bnrun.config.settings import SweepConfig, SweepSettings
from bnrun.sweep.plan import Job


def sweep_options(jobs: Sequence[Job]) -> SweepSettings:
    """The options of the sweep. Raises UserError if its jobs do not agree on them."""
    options = SweepConfig.model_validate(jobs[0].config).sweep
    for job in jobs[1:]:
        others = SweepConfig.model_validate(job.config).sweep
        for (key, value), (_, other) in zip(options, others, strict=True):
            if value != other:
                raise UserError(
                    f"sweep.{key}: a sweep has one value for it, but these jobs have {value} and "
                    f"{other}: give one value, or run a sweep for each"
                )
    return options


@dataclass(frozen=True)
class SearchOptions:
    """How to search; see configs/hydra/sweeper/bnrun.yaml."""

    trials: int
    sampler: Literal["tpe", "random"]
    seed: int
    prune: bool

    @property
    def adapts(self) -> bool:
        """Whether a trial depends on the results of those before it."""
        return self.prune or self.sampler != "random"

    def __post_init__(self) -> None:
        for key, least in (("trials", 1), ("seed", 0)):
            value = getattr(self, key)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UserError(
                    f"hydra.sweeper.{key}={value}: must be a whole number of at least {least}"
                )
        if self.sampler not in ("tpe", "random"):
            raise UserError(f"hydra.sweeper.sampler={self.sampler}: choose tpe or random")
        if not isinstance(self.prune, bool):
            raise UserError(f"hydra.sweeper.prune={self.prune}: choose true or false")
