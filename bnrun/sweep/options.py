"""The options of a sweep, which all its jobs share."""

from collections.abc import Sequence

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
