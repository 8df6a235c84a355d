"""The command line `bnrun`: one config, one run, one folder; with -m, a sweep of them."""

import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from bnrun.config.errors import FULL
from bnrun.config.hydra_api import BASE, own_targets
from bnrun.config.paths import CONFIGS, import_from_here
from bnrun.config.show import resolved_hydra
from bnrun.config.streams import use_forgiving_streams
from bnrun.config.words import arranged
from bnrun.run.log import LOG
from bnrun.run.signals import INTERRUPTED, Stopped
from bnrun.task import task

# Hydra asks to name the schemas of the launchers' plugins in our yaml files.
warnings.filterwarnings("ignore", message="(?s).*validated against ConfigStore schema")


@hydra.main(config_path=str(CONFIGS), config_name="config", **BASE)
def run(node: DictConfig) -> str | None:
    """One run, as `task` does it. Exit status 1 if it fails, unless it is the job of a sweep."""
    try:
        return task(node)
    except Exception as error:
        job = HydraConfig.get()
        if job.mode == RunMode.MULTIRUN:
            raise
        _complain(error, Path(job.runtime.output_dir, LOG))
        sys.exit(1)


def main() -> None:
    """Entry point. Exit status 1 for a mistake, 130 after Ctrl-C, 143 after SIGTERM."""
    import_from_here()
    use_forgiving_streams()
    sys.argv[1:] = arranged(sys.argv[1:])
    if "--version" in sys.argv[1:]:
        print(f"bnrun {version('bnrun')}")
        return
    if "HYDRA_FULL_ERROR" in os.environ:
        os.environ[FULL] = "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing.
    try:
        text = resolved_hydra(sys.argv[1:])
        with own_targets():
            run() if text is None else print(text, end="")
    except Stopped as stop:
        print(f"bnrun: {INTERRUPTED}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(stop.status)  # All files are closed, and unloading torch would take a second.
    except Exception as error:
        _complain(error)
        sys.exit(1)


def _complain(error: Exception, log: Path | None = None) -> None:
    # Imported here, because --help need not wait 0.1 s for pydantic.
    from bnrun.config.complaint import complain

    complain(error, log)
