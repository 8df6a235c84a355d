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

from bnrun.config.budget import by_budget
from bnrun.config.errors import DivergedError, UserError, missing_launcher, sentence
from bnrun.config.paths import CONFIGS, import_from_here
from bnrun.config.run_id import run_id, study
from bnrun.run.signals import Stopped, is_orphan, is_worker

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
def run(config: DictConfig) -> str | None:
    """One job, in the folder that Hydra has made for it; tells if it was not to begin."""
    from bnrun.run.job import forget, run_job
    from bnrun.sweep.halt import HALTED, Halt

    if is_orphan():
        # A pool's worker takes its next job even when the sweep has been stopped.
        os._exit(1)
    import_from_here()  # in a launcher's worker too
    node = HydraConfig.get()
    if "cpus_per_task" in node.launcher:
        # Submitit's local executor keeps no job from taking all cores.
        os.environ["OMP_NUM_THREADS"] = str(node.launcher.cpus_per_task)
    choices = {group: node.runtime.choices[group] for group in node.runtime.choices}
    folder = Path(node.runtime.output_dir)
    alone = node.mode != RunMode.MULTIRUN
    halt = Halt(folder.parent)
    hasty = not alone and OmegaConf.select(config, "sweep.fail_fast") is True
    if hasty and halt.called():
        forget(folder)
        return HALTED
    try:
        # The sweep tells how its jobs get on, all of them in one view.
        run_job(config, choices, folder, shown=alone)
    except Stopped as stop:
        if is_worker():
            os._exit(stop.status)
        raise
    except Exception as error:
        if hasty and not isinstance(error, DivergedError):
            halt.call()
        if alone and isinstance(error, UserError):
            _give_up(error)
        if isinstance(error, UserError):
            print(f"bnrun: {error}", file=sys.stderr)
        raise  # so that Hydra counts the job as failed, and goes on with the others
    return None


def main() -> None:
    """Entry point `bnrun`. Exit status 1 for a mistake, 130 for Ctrl-C, 143 for SIGTERM."""
    import_from_here()
    wants_trace = "HYDRA_FULL_ERROR" in os.environ
    # Hydra then lets the exception through, and we can say it in one sentence.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        run()
    except Stopped as stop:
        print("bnrun: interrupted; the same command goes on", file=sys.stderr, flush=True)
        sys.stdout.flush()
        # All files are closed; the interpreter would take another second to unload its libraries.
        os._exit(stop.status)
    except MISTAKES as error:
        if wants_trace:
            raise
        _give_up(error)
    except RuntimeError as error:
        told = missing_launcher(error)
        if wants_trace or told is None:
            raise
        _give_up(UserError(told))


def _give_up(error: Exception) -> NoReturn:
    print(f"bnrun: {sentence(error)}", file=sys.stderr)
    sys.exit(1)
