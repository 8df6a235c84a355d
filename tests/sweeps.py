"""Sweeps in this process, whose jobs are not run but meet a fate that a test chooses."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from rich.console import Console

from bnrun.config.errors import ClaimedError, DivergedError, UserError
from bnrun.config.hydra_api import BASE
from bnrun.config.paths import CONFIGS
from bnrun.recording.result import write_result
from bnrun.sweep.configs import Configs
from bnrun.sweep.expansion import expanded
from bnrun.sweep.halt import HALTED, SKIPPED
from bnrun.sweep.sweep import Sweep

# What a job may come to, and under which name it is counted.
FATES = {
    "done": "done",
    "one diverged": "diverged",
    "all diverged": "diverged",
    "failed": "failed",
    "killed": "failed",
    "claimed": "at work elsewhere",
    "finished elsewhere": "done elsewhere",
    "skipped": "done elsewhere",
    "halted": "not started",
}


def finish(folder, config, diverged):
    folder.mkdir(parents=True, exist_ok=True)
    one = {"test": {"accuracy": {"sampled": [0.5, 0.5]}}}
    goal = {"score": "accuracy", "way": None, "larger_is_better": True}
    rest = {
        "steps": 1,
        "seconds": 1.0,
        "config": config,
        "versions": {},
        "commit": None,
        "data": {},
    }
    write_result(
        folder, {"seeds": [0, 1], "scores": one, "goal": goal, "diverged": diverged} | rest
    )


@dataclass
class Fated:
    """A launcher whose jobs meet their fates, in order."""

    configs: Configs
    fates: list[str] = field(default_factory=list)
    launched: list[str] = field(default_factory=list)

    def launch(self, overrides, first):
        return [self.one(words) for words in overrides]

    def one(self, words):
        config, folder, _ = self.configs(words)
        fate = self.fates[len(self.launched) % len(self.fates)]
        self.launched.append(str(folder))
        failed = JobStatus.FAILED
        match fate:
            case "failed":
                return JobReturn(status=failed, _return_value=UserError("broken"))
            case "killed":
                folder.mkdir(parents=True, exist_ok=True)
                return JobReturn()
            case "claimed":
                return JobReturn(status=failed, _return_value=ClaimedError("process 1 is working"))
            case "halted":
                return JobReturn(status=JobStatus.COMPLETED, _return_value=HALTED)
        finish(folder, config, {"one diverged": {1: 3}, "all diverged": {0: 3, 1: 3}}.get(fate, {}))
        match fate:
            case "finished elsewhere":
                return JobReturn(status=failed, _return_value=ClaimedError("process 1 is working"))
            case "skipped":
                return JobReturn(status=JobStatus.COMPLETED, _return_value=SKIPPED)
            case "all diverged":
                return JobReturn(status=failed, _return_value=DivergedError("every seed diverged"))
        return JobReturn(status=JobStatus.COMPLETED)


@contextmanager
def sweeping(arguments, fates=("done",), output="outputs", configs_of=None):
    """A sweep over these words, its launcher, its jobs and what it prints.

    configs_of  a folder of configs, like that of --config-dir
    """
    with initialize_config_dir(str(CONFIGS), **BASE):
        loader = GlobalHydra.instance().config_loader()
        words = [f"output={output}", *arguments]
        searched = [f"hydra.searchpath=[file://{configs_of}]"] if configs_of else []
        master = loader.load_configuration("config", [*words, *searched], run_mode=RunMode.MULTIRUN)
        configs = Configs(loader, master)
        launcher = Fated(configs, list(fates))
        console = Console(file=StringIO(), width=80)
        jobs = expanded(words, configs, OverridesParser.create(config_loader=loader))
        yield Sweep(configs, launcher, console=console), launcher, jobs, console.file


def ended(arguments, fates=("done",), output="outputs"):
    """What a sweep prints, the folders it launched, and the sentence it ended with."""
    with sweeping(arguments, fates, output) as (sweep, launcher, jobs, text):
        try:
            sweep.run(jobs)
        except UserError as error:
            return text.getvalue(), launcher.launched, str(error)
        return text.getvalue(), launcher.launched, ""


def counts(text):
    (last,) = re.findall(r"^sweep of (\d+) jobs?: (.*)$", text, flags=re.MULTILINE)
    parts = [part.split(" ", 1) for part in last[1].split(", ")]
    return int(last[0]), {kind: int(number) for number, kind in parts}
