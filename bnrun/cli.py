"""The command line: one config, one run, one folder."""

import os
import sys
import warnings
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from bnrun.budget import by_budget
from bnrun.errors import UserError, sentence
from bnrun.jobs.signals import Stopped
from bnrun.paths import CONFIGS, import_from_here
from bnrun.run_id import run_id, study

OmegaConf.register_new_resolver("study", study, replace=True)
OmegaConf.register_new_resolver("run_id", lambda *, _root_: run_id(_root_), replace=True)
OmegaConf.register_new_resolver(
    "by_budget", lambda *values, _root_: by_budget(values, _root_), replace=True
)

# Hydra copies this store for every look at the configs, a hundred times for --help, most of a
# second in all. It copies again what it loads from the store, so that one store will do.
ConfigStore.__deepcopy__ = lambda self, _: self  # type: ignore[attr-defined]

# Our launchers' values are checked by their plugins' types, and Hydra would have us say it; here,
# so that the launchers' workers hear of it too.
warnings.filterwarnings("ignore", message="(?s).*validated against ConfigStore schema")

MISTAKES = (UserError, HydraException, OmegaConfBaseException, OSError, ValueError, YAMLError)
"""What Hydra raises for a wrong config; what a run makes of its own, it has said already."""


@hydra.main(config_path=str(CONFIGS), config_name="config", version_base="1.3")
def run(config: DictConfig) -> None:
    """One job, in the folder that Hydra has made for it."""
    from bnrun.jobs.job import run_job

    import_from_here()  # in a launcher's worker too
    node = HydraConfig.get()
    if "cpus_per_task" in node.launcher:
        # Submitit's local executor keeps no job from taking all cores.
        os.environ["OMP_NUM_THREADS"] = str(node.launcher.cpus_per_task)
    choices = {group: node.runtime.choices[group] for group in node.runtime.choices}
    try:
        # The sweep tells how its jobs get on, all of them in one view.
        alone = node.mode != RunMode.MULTIRUN
        run_job(config, choices, Path(node.runtime.output_dir), shown=alone)
    except UserError as error:
        if node.mode == RunMode.MULTIRUN:
            print(f"bnrun: {error}", file=sys.stderr)
            raise  # so that Hydra counts the job as failed, and goes on with the others
        _give_up(error)


def main() -> None:
    """Entry point `bnrun`. Exit status 1 for a mistake, 130 for Ctrl-C, 143 for SIGTERM."""
    import_from_here()
    wants_trace = "HYDRA_FULL_ERROR" in os.environ
    # Hydra then lets the exception through, and we can say it in one sentence.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        run()
    except Stopped as stop:
        print("bnrun: interrupted", file=sys.stderr, flush=True)
        sys.stdout.flush()
        # All files are closed; the interpreter would take another second to unload its libraries.
        os._exit(stop.status)
    except MISTAKES as error:
        if wants_trace:
            raise
        _give_up(error)


def _give_up(error: Exception) -> NoReturn:
    print(f"bnrun: {sentence(error)}", file=sys.stderr)
    sys.exit(1)
