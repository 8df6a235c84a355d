"""Hydra finds its plugins here; this one is small, because every start of bnrun reads it."""

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser


class ResumingSweeper(BasicSweeper):
    """Hydra's sweep over all combinations, of which only those are launched that are not done."""

    def sweep(self, arguments: list[str]) -> Any:
        """All batches of jobs, with any launcher; then the best with fresh seeds, if asked for.

        Raises UserError if a job is refused or fails.
        """
        from bnrun.jobs.configs import Configs
        from bnrun.jobs.sweep import Sweep

        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        # A key that the command line names takes the place of the one in the config's params.
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(
            [*self._parse_config(), *arguments]
        )
        (jobs,) = self.split_arguments(overrides, None)
        compose = Configs(loader, self.config)
        sweep = Sweep(self.config, self.launcher, compose, self.max_batch_size)
        returns = sweep.run(jobs)
        if compose(jobs[0]).sweep.fresh_seeds is not None:
            from bnrun.jobs.fresh import with_fresh_seeds

            fresh = with_fresh_seeds(jobs, compose, sweep.say)
            if fresh:
                returns += sweep.run(fresh)
        return returns
