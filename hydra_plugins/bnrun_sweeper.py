"""Hydra finds its plugins here; this one is small, because every start of bnrun reads it."""

import gc
from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser


class ResumingSweeper(BasicSweeper):
    """Hydra's sweep over all combinations, of which only those are launched that are not done.

    max_batch_size  jobs to launch at once; None for all
    params          key -> values to add to those of the command line, in its words
    grids           the same, one mapping for each of several sweeps to be done as one
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: Mapping[str, Any] | None = None,
        grids: Sequence[Mapping[str, Any]] = ({},),
    ) -> None:
        if max_batch_size is not None and not (
            isinstance(max_batch_size, int) and max_batch_size > 0
        ):
            raise ValueError(
                f"hydra.sweeper.max_batch_size={max_batch_size}: give a number of jobs above 0, or "
                f"null for all at once"
            )
        super().__init__(max_batch_size, dict(params or {}))
        self.grids = grids

    def sweep(self, arguments: list[str]) -> Any:
        """All batches of jobs, with any launcher; then the best with fresh seeds, if asked for.

        Raises UserError if a job is refused or fails.
        """
        from bnrun.sweep.configs import Configs
        from bnrun.sweep.sweep import Sweep

        gc.enable()
        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        jobs = self._jobs(OverridesParser.create(config_loader=loader), arguments)
        if not jobs:
            raise ValueError(f"{' '.join(arguments)}: no job, for a range in it is empty: mend it")
        compose = Configs(loader, self.config)
        sweep = Sweep(self.config, self.launcher, compose, self.max_batch_size)
        returns = sweep.run(jobs)
        if compose(jobs[0]).sweep.fresh_seeds is not None:
            from bnrun.sweep.fresh import with_fresh_seeds

            fresh = with_fresh_seeds(jobs, compose, sweep.say)
            if fresh:
                returns += sweep.run(fresh)
        return returns

    def _jobs(self, parser: OverridesParser, arguments: list[str]) -> list[list[str]]:
        """The overrides of every job, none of them twice."""
        jobs: dict[tuple[str, ...], None] = {}
        for grid in self.grids:
            # A key of the command line takes the place of the grid's, and that one of the params'.
            words = [f"{key}={value}" for key, value in grid.items()]
            overrides = parser.parse_overrides([*self._parse_config(), *words, *arguments])
            (combinations,) = self.split_arguments(overrides, None)
            jobs |= dict.fromkeys(map(tuple, combinations))
        return [list(job) for job in jobs]
