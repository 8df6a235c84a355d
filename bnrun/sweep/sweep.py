"""A sweep: which jobs are done, which cannot be, and what became of the others."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from bnrun.config.errors import DivergedError, UserError, sentence
from bnrun.config.settings import Sweeping
from bnrun.recording.metrics import history_end
from bnrun.recording.result import RESULT, read_result
from bnrun.run.claim import held
from bnrun.run.log import LOG
from bnrun.sweep.group_runs import GroupRuns
from bnrun.sweep.halt import HALTED, Halt
from bnrun.sweep.launch import launch
from bnrun.sweep.plan import Job, examined
from bnrun.sweep.watch import Watch, duration


@dataclass
class Sweep:
    """Hands jobs to a launcher.

    config          of the sweep, with its hydra node
    compose         from a job's overrides to its config
    max_batch_size  jobs to launch at once; None for all
    """

    config: DictConfig
    launcher: Launcher
    compose: Callable[[Sequence[str]], DictConfig]
    max_batch_size: int | None = None
    console: Console = field(default_factory=lambda: Console(stderr=True))

    def run(self, overrides: Sequence[Sequence[str]]) -> list[JobReturn]:
        """Do what is missing, and tell what became of it.

        Raises UserError before anything starts if a job is refused, at the end if one has failed.
        """
        jobs = examined(overrides, self.compose)
        settings = Sweeping.model_validate(jobs[0].config).sweep
        if settings.dry_run:
            self._list(jobs)
            return []
        refused = [job for job in jobs if job.status == "refused"]
        for job in refused:
            self.say(f"refused: {_name(job)}: {job.reason}")
        if refused and not settings.skip_invalid:
            raise UserError(
                f"{len(refused)} of {len(jobs)} jobs cannot be run, so none was started: mend "
                f"them, or leave them out with sweep.skip_invalid=true"
            )
        force = jobs[0].config["resume"] == "force"
        pending = [job for job in jobs if job.status != "refused" and (force or not job.done)]
        halt = Halt(Path(self.config.hydra.sweep.dir))
        halt.lift()
        before = len(jobs) - len(refused) - len(pending)
        if before:
            self.say(f"{before} of {len(jobs)} jobs were done before")
        groups = GroupRuns(
            Path(self.config.hydra.sweep.dir),
            [job.folder for job in jobs if job.status != "refused"],
            settings.groups,
            self.say,
        )
        with groups, Watch(pending, self.console, self._in_turn()):
            returns, begun = self._launch(pending, settings.fail_fast)
        self._tell(jobs, begun, returns, pending, refused)
        return returns

    def _launch(self, jobs: list[Job], fail_fast: bool) -> tuple[list[JobReturn], list[Job]]:
        """What the jobs gave back, as far as the launcher could tell, and those that it had."""
        if not jobs:
            return [], []
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        size = self.max_batch_size or (1 if self._in_turn() else len(jobs))
        returns: list[JobReturn] = []
        for first in range(0, len(jobs), size):
            batch = jobs[first : first + size]
            returns += launch(self.launcher, batch, first, self.say)
            answers = zip(batch, returns[first:], strict=True)
            if fail_fast and any(_failure(*pair) is not None for pair in answers):
                return _begun(returns, jobs[: first + len(batch)])
        return returns, jobs

    def _in_turn(self) -> bool:
        return "BasicLauncher" in str(self.config.hydra.launcher._target_)

    def _tell(
        self,
        jobs: list[Job],
        begun: list[Job],
        returns: list[JobReturn],
        pending: list[Job],
        refused: list[Job],
    ) -> None:
        """The end of a sweep. Raises UserError if a job has failed."""
        failed = 0
        for job, answer in zip(begun, returns, strict=True):
            reason = _failure(job, answer)
            if reason is not None:
                failed += 1
                log = job.folder / LOG
                self.say(f"failed: {_name(job)}: {reason}" + (f" ({log})" * log.exists()))
        for job in jobs:
            lost = _lost(job)
            if lost:
                self.say(f"diverged: {_name(job)}: seeds {', '.join(map(str, lost))}")
        rest = len(pending) - len(begun)
        parts = {
            "done": len(jobs) - failed - rest - len(refused),
            "failed": failed,
            "not begun": rest,
            "refused": len(refused),
        }
        words = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
        self.say(f"sweep of {len(jobs)} jobs: {words}")
        study = self.config.hydra.sweep.dir
        if parts["done"]:
            self.say(f"compare: bnrun-report {study}")
            self.say(f"curves: tensorboard --logdir {study}")
        if failed:
            raise UserError(
                f"{failed} of {len(jobs)} jobs failed; the same command does what is missing"
            )

    def _list(self, jobs: list[Job]) -> None:
        console = Console()
        for job in jobs:
            reason = f": {job.reason}" if job.reason else ""
            console.print(f"{job.status:10} {_name(job)}{reason}", soft_wrap=True, highlight=False)
        counts = Counter(job.status for job in jobs)
        words = ", ".join(f"{number} {status}" for status, number in counts.items())
        console.print(f"{len(jobs)} jobs: {words}; {_estimate(jobs)}", soft_wrap=True)

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)


def _begun(returns: list[JobReturn], jobs: list[Job]) -> tuple[list[JobReturn], list[Job]]:
    """Without the jobs that another one's failure has kept from beginning."""
    pairs = [(a, j) for a, j in zip(returns, jobs, strict=True) if a._return_value != HALTED]
    return [answer for answer, _ in pairs], [job for _, job in pairs]


def _lost(job: Job) -> list[int]:
    """Seeds that diverged in a job that is done."""
    return sorted(read_result(job.folder / RESULT)["diverged"]) if job.done else []


def _name(job: Job) -> str:
    return job.folder.name


def _failure(job: Job, answer: JobReturn) -> str | None:
    """Why a job that was launched is not done; None if it is."""
    error = answer._return_value
    if answer.status == JobStatus.FAILED and not isinstance(error, DivergedError):
        return sentence(error)
    if job.done:
        return None
    if not job.folder.exists():
        return "it was not begun"
    try:
        at_work = held(job.folder)
    except OSError as error:
        return sentence(error)
    return "it is still at work" if at_work else "it ended without a result, as if killed"


def _estimate(jobs: list[Job]) -> str:
    """The time that is left, for one worker, from the steps that were measured in this study."""
    force = jobs[0].config["resume"] == "force"
    rates: dict[str, list[float]] = {"step": [], "epoch": []}
    places = {job.folder: history_end(job.folder) for job in jobs}
    for place in places.values():
        if place is not None and place.step:
            rates["step"].append(place.seconds / place.step)
            rates["epoch"].append(place.seconds / place.epoch)
    left = [job for job in jobs if job.status != "refused" and (force or job.status != "done")]
    if not left:
        return "nothing is left to do"
    if not rates["step"]:
        return "no step was measured yet, so there is no estimate of the time"
    seconds = 0.0
    for job in left:
        unit, number = job.length
        place = places[job.folder]
        begun = 0.0 if force or place is None else place.step if unit == "step" else place.epoch
        seconds += max(0.0, number - begun) * statistics.median(rates[unit])
    return f"about {duration(seconds)} left for one worker"
