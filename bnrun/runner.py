"""`bnrun` and `bnrun -m` as functions, which leave the process as it was."""

import gc
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from hydra import initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from bnrun.config.complaint import mistakes
from bnrun.config.errors import UserError
from bnrun.config.hydra_api import BASE, own_targets
from bnrun.config.paths import CONFIGS
from bnrun.config.words import with_arguments
from bnrun.report.read.frames import FinishedRun, Runs
from bnrun.report.read.runs import find_runs
from bnrun.task import task

_THREADS = "OMP_NUM_THREADS"


def run(*overrides: str, config_dir: str | Path | None = None) -> FinishedRun:
    """Train as `bnrun OVERRIDES` does, in the same folder; resume or skip by the same rules.

    overrides   words of the command line, e.g. "estimator=st", "seeds=3"
    config_dir  a folder of your own configs, searched as well, as by --config-dir

    Raises bnrun.UserError for what the command line reports as a sentence; DivergedError, which is
    one, if divergence ended the run (its result is written, load_runs reads it). Ctrl-C raises
    KeyboardInterrupt once a checkpoint is written; the same call resumes.
    """
    with _command_line(overrides, config_dir) as (hydra, words), mistakes():
        answer = hydra.run("config", _task_or_error, [*words, "hydra.mode=RUN"])
    if isinstance(answer.return_value, Exception):
        raise answer.return_value
    assert answer.hydra_cfg is not None
    folder = Path(answer.hydra_cfg.hydra.runtime.output_dir)
    found = find_runs([folder])
    if found.unfinished:
        raise UserError(f"{folder}: was stopped by its limits: sweep.limits=null resumes it")
    return Runs(found.runs)[0]


def sweep(*overrides: str, config_dir: str | Path | None = None) -> Runs:
    """Run what `bnrun -m OVERRIDES` does: every combination that is not done, by its launcher.

    Arguments as of `run`, with several values for a key, e.g. "estimator=st,reinmax".

    Returns the runs of all jobs that have a result, in the order of the sweep; none after
    sweep.dry_run=true. Raises bnrun.UserError if a job is refused or fails, once the others have
    run.
    """
    with _command_line(overrides, config_dir, "-m") as (hydra, words), mistakes():
        outcomes = hydra.multirun("config", task, [*words, "hydra.mode=MULTIRUN"])
    folders = dict.fromkeys(outcome.job.folder for outcome in outcomes if outcome.has_result)
    return Runs(find_runs(list(folders)).runs if folders else [])


def _task_or_error(node: DictConfig) -> Exception | str | None:
    try:
        return task(node)
    except Exception as error:
        return error  # Hydra would print a line of its own before raising it.


@contextmanager
def _command_line(
    overrides: Sequence[str], config_dir: str | Path | None, *flags: str
) -> Iterator[tuple[Hydra, list[str]]]:
    """Hydra as the command line has it, and the overrides for it.

    They are in sys.argv meanwhile, from which messages and the receipt in result.json take them.
    """
    searched = []
    if config_dir is not None:
        flags = (*flags, "--config-dir", str(config_dir))
        searched = [f"hydra.searchpath=['file://{Path(config_dir).resolve()}']"]
    with _process_restored(), warnings.catch_warnings():
        # Hydra asks to name the schemas of the launchers' plugins in our yaml files.
        warnings.filterwarnings("ignore", message="(?s).*validated against ConfigStore schema")
        sys.argv = ["bnrun", *flags, *overrides]
        with own_targets(), initialize_config_dir(str(CONFIGS), job_name="cli", **BASE):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            yield hydra, [*map(with_arguments, overrides), *searched]


@contextmanager
def _process_restored() -> Iterator[None]:
    """Give back afterwards what a run sets for its whole process."""
    arguments, path, collects = sys.argv, list(sys.path), gc.isenabled()
    dtype, threads, omp = torch.get_default_dtype(), torch.get_num_threads(), os.getenv(_THREADS)
    flushes = _flushes_denormals()
    try:
        yield
    finally:
        sys.argv, sys.path[:] = arguments, path
        (gc.enable if collects else gc.disable)()
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushes)
        os.environ.pop(_THREADS, None)
        if omp is not None:
            os.environ[_THREADS] = omp


def _flushes_denormals() -> bool:
    """Whether set_flush_denormal(True) is in force; torch has no function that says so."""
    return sys.float_info.min * float("0.5") == 0.0
