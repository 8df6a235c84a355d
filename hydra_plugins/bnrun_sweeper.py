"""Hydra finds its plugins here. This file is small, because every start of bnrun reads it."""

import gc
from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from bnrun.config.errors import UserError


class ResumingSweeper(BasicSweeper):
    """Hydra's sweep over all combinations, which launches only the jobs that are not done.

    max_batch_size  jobs to launch at once; None for all
    params          key -> values to add to those of the command line, in its words
    grids           the same, one mapping for each of several sweeps that are run as one
    search          "optuna" searches ranges; None takes every combination of values
    trials, sampler, seed, prune  of a search, see bnrun.sweep.options.SearchOptions

    Params and grids are read from the config, because a choice may bring its own.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: Mapping[str, Any] | None = None,
        grids: Sequence[Mapping[str, Any]] = ({},),
        search: str | None = None,
        trials: int = 20,
        sampler: str = "tpe",
        seed: int = 0,
        prune: bool = False,
    ) -> None:
        if max_batch_size is not None and not (
            isinstance(max_batch_size, int) and max_batch_size > 0
        ):
            raise ValueError(
                f"hydra.sweeper.max_batch_size={max_batch_size}: give a number of jobs above 0, or "
                f"null for all at once"
            )
        if search not in (None, "optuna"):
            raise ValueError(f"hydra.sweeper.search={search}: choose optuna, or null for none")
        self.search = search
        self.search_options = {"trials": trials, "sampler": sampler, "seed": seed, "prune": prune}
        super().__init__(max_batch_size, {})

    def setup(self, **parts: Any) -> None:
        """Hydra's.

        Raises UserError if the plugin of the launcher is not installed, or if it was chosen as if
        it were a value.
        """
        launcher = parts["config"].hydra.launcher
        if isinstance(launcher, str):
            raise UserError(
                f"hydra.launcher={launcher}: a launcher is a choice, written with a slash: "
                f"hydra/launcher={launcher}"
            )
        try:
            super().setup(**parts)
        except RuntimeError as error:
            from bnrun.config.sentence import missing_launcher

            text = missing_launcher(error)
            if text is None:
                raise
            raise UserError(text) from error

    def sweep(self, arguments: list[str]) -> Any:
        """Run all jobs in batches, with any launcher; then the best with fresh seeds, if asked for.

        Raises UserError if a job is refused or fails.
        """
        # Imported here, because they load torch and every start of bnrun reads this file.
        from bnrun.sweep.configs import Configs
        from bnrun.sweep.expansion import expanded, settings
        from bnrun.sweep.options import SearchOptions
        from bnrun.sweep.sweep import Sweep

        gc.enable()  # __main__ disables it
        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        configs = Configs(loader, self.config)
        parser = OverridesParser.create(config_loader=loader)
        sweep = Sweep(configs, self.launcher, self.max_batch_size)
        if self.search is None:
            return sweep.run(expanded(arguments, configs, parser))
        options = SearchOptions(**self.search_options)
        return sweep.search(settings(arguments, configs, parser), options)
