"""What Hydra calls for each run, alone or as the job of a sweep; from a command line or Python."""

import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from bnrun.config.compose import resolved
from bnrun.config.errors import ClaimedError, DivergedError, UserError
from bnrun.config.paths import import_from
from bnrun.run.folder import remove_unused
from bnrun.run.limits import Pruned
from bnrun.run.log import LOG
from bnrun.run.signals import Stopped, exit_if_orphan, exit_if_worker
from bnrun.sweep.halt import HALTED, PRUNED, SKIPPED, Halt


def task(node: DictConfig) -> str | None:
    """One run, in the folder that Hydra has created; returns HALTED, SKIPPED or PRUNED if it was.

    Raises whatever ended the run, UserError if it is the user's mistake; that of a sweep's job is
    printed too. Raises Stopped after a signal.
    """
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
    except Pruned:
        return PRUNED
    except Stopped as stop:
        exit_if_worker(stop.status)
        raise
    except Exception as error:
        if fail_fast and not isinstance(error, (ClaimedError, DivergedError)):
            halt.call()
        if isinstance(error, UserError):
            os.chdir(start)
            remove_unused(folder, Path(getattr(job.runtime, "made", "")) if alone else None)
        if not alone:
            complain(error, folder / LOG)
        raise  # so that Hydra counts the job as failed, and runs the others
    return None if trained else SKIPPED
