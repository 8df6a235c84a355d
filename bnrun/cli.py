"""The command line `bnrun`: one config, one run, one folder; with -m, a sweep of them."""

import os
import sys
import warnings
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from bnrun.config.compose import resolved
from bnrun.config.errors import FULL, ClaimedError, DivergedError, UserError
from bnrun.config.paths import CONFIGS, import_from, import_from_here
from bnrun.run.folder import remove_unused
from bnrun.run.log import LOG
from bnrun.run.signals import INTERRUPTED, Stopped, exit_if_orphan, exit_if_worker
from bnrun.sweep.halt import HALTED, SKIPPED, Halt

# Hydra asks to name the schemas of the launchers' plugins in our yaml files.
warnings.filterwarnings("ignore", message="(?s).*validated against ConfigStore schema")


@hydra.main(config_path=str(CONFIGS), config_name="config", version_base="1.3")
def run(node: DictConfig) -> str | None:
    """One run, in the folder that Hydra has created; returns HALTED or SKIPPED if it was."""
    # Imported here, because --help need not wait 0.1 s for pydantic.
    from bnrun.config.complaint import complain, mistakes
    from bnrun.run.job import run_job

    exit_if_orphan()
    job = HydraConfig.get()
    start = Path(job.runtime.cwd)  # With hydra.job.chdir=true we are in the run's folder.
    import_from(start)
    if "cpus_per_task" in job.launcher:  # Submitit's local executor lets a job use all cores.
        os.environ["OMP_NUM_THREADS"] = str(job.launcher.cpus_per_task)
    folder, alone = Path(job.runtime.output_dir), job.mode != RunMode.MULTIRUN
    study = folder.parent if alone else Path(start, job.sweep.dir)
    halt, fail_fast = Halt(study), False
    try:
        with mistakes():
            config = resolved(node, job.runtime.choices)
        fail_fast = not alone and config["sweep"]["fail_fast"] is True
        if fail_fast and halt.is_called():
            remove_unused(folder)
            return HALTED
        # A sweep shows all its jobs in one view.
        trained = run_job(config, folder, start, shown=alone)
    except Stopped as stop:
        exit_if_worker(stop.status)
        raise
    except Exception as error:
        if fail_fast and not isinstance(error, (ClaimedError, DivergedError)):
            halt.call()
        if isinstance(error, UserError):
            os.chdir(start)
            remove_unused(folder, Path(getattr(job.runtime, "made", "")) if alone else None)
        complain(error, folder / LOG)
        if alone:
            sys.exit(1)
        raise  # so that Hydra counts the job as failed, and runs the others
    return None if trained else SKIPPED


def main() -> None:
    """Entry point. Exit status 1 for a mistake, 130 after Ctrl-C, 143 after SIGTERM."""
    import_from_here()
    if "HYDRA_FULL_ERROR" in os.environ:
        os.environ[FULL] = "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing.
    try:
        run()
    except Stopped as stop:
        print(f"bnrun: {INTERRUPTED}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(stop.status)  # All files are closed, and unloading torch would take a second.
    except Exception as error:
        from bnrun.config.complaint import complain

        complain(error)
        sys.exit(1)
