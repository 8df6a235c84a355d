"""Running a sweep: plan its jobs, launch those that are not done, report how they ended."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from rich.console import Console

from bnrun.config.errors import DivergedError, UserError
from bnrun.config.sentence import sentence
from bnrun.config.settings import SweepConfig
from bnrun.recording.result import RESULT, read_result
from bnrun.run.claim import is_claimed
from bnrun.run.log import LOG
from bnrun.sweep.configs import Configs
from bnrun.sweep.estimate import time_left
from bnrun.sweep.fresh import with_fresh_seeds
from bnrun.sweep.group_runs import updated_group_runs
from bnrun.sweep.halt import HALTED, Halt
from bnrun.sweep.launch import launch
from bnrun.sweep.plan import Job, plan_jobs
from bnrun.sweep.watch import watched


@dataclass
class Sweep:
    """Hands jobs to a launcher.

    configs         from the overrides of a job to its config and folder
    max_batch_size  jobs to launch at once; None for all
    """

    configs: Configs
    launcher: Launcher
    max_batch_size: int | None = None
    console: Console = field(default_factory=lambda: Console(stderr=True))

    def run(self, overrides: Sequence[Sequence[str]]) -> list[JobReturn]:
        """Run every job that is not done, then, if asked for, the best ones with fresh seeds.

        Raises UserError before anything starts if a job is refused, at the end if one has failed.
        """
        returns = self._run_once(overrides)
        if self.configs(overrides[0]).config["sweep"]["fresh_seeds"] is not None:
            fresh = with_fresh_seeds(overrides, self.configs, self.log)
            returns += self._run_once(fresh) if fresh else []
        return returns

    def _run_once(self, overrides: Sequence[Sequence[str]]) -> list[JobReturn]:
        jobs = plan_jobs(overrides, self.configs)
        options = SweepConfig.model_validate(jobs[0].config).sweep
        if options.dry_run:
            self._list(jobs)
            return []
        runnable = self._runnable(jobs, options.skip_invalid)
        force = jobs[0].config["resume"] == "force"
        pending = [job for job in runnable if force or not job.done]
        Halt(self.configs.study).lift()
        if len(pending) < len(runnable):
            self.log(f"skipped {len(runnable) - len(pending)} of {len(jobs)} jobs, which are done")
        folders = [job.folder for job in runnable]
        with (
            updated_group_runs(self.configs.study, folders, options.groups, self.log),
            watched(pending, self.console, self.configs.in_turn),
        ):
            started, returns = self._launch(pending, options.fail_fast)
        self._report(jobs, started, returns, pending)
        return returns

    def _runnable(self, jobs: Sequence[Job], skip_invalid: bool) -> list[Job]:
        """The jobs that are not refused. Raises UserError if one is and may not be skipped."""
        refused = [job for job in jobs if job.status == "refused"]
        for job in refused:
            self.log(f"refused: {job.folder.name}: {job.reason}")
        if refused and not skip_invalid:
            raise UserError(
                f"{len(refused)} of {len(jobs)} jobs cannot be run, so none was started: fix "
                f"them, or skip them with sweep.skip_invalid=true"
            )
        return [job for job in jobs if job.status != "refused"]

    def _launch(self, jobs: list[Job], fail_fast: bool) -> tuple[list[Job], list[JobReturn]]:
        """The jobs that were started, and what each returned."""
        if not jobs:
            return [], []
        self.configs.save()
        size = self.max_batch_size or (1 if self.configs.in_turn else len(jobs))
        returns: list[JobReturn] = []
        for first in range(0, len(jobs), size):
            batch = jobs[first : first + size]
            returns += launch(self.launcher, batch, first, self.log)
            pairs = list(zip(batch, returns[first:], strict=True))
            if fail_fast and any(_failure(*pair) is not None for pair in pairs):
                break
        started = [(job, r) for job, r in zip(jobs, returns, strict=False) if not _is_halted(r)]
        return [job for job, _ in started], [answer for _, answer in started]

    def _report(
        self, jobs: list[Job], started: list[Job], returns: list[JobReturn], pending: list[Job]
    ) -> None:
        """Log how a sweep ended. Raises UserError if a job has failed."""
        failed = 0
        for job, answer in zip(started, returns, strict=True):
            reason = _failure(job, answer)
            if reason is not None:
                failed += 1
                log = job.folder / LOG
                self.log(f"failed: {job.folder.name}: {reason}" + (f" ({log})" * log.exists()))
        for job in jobs:
            if diverged := _diverged(job):
                self.log(f"diverged: {job.folder.name}: seeds {', '.join(map(str, diverged))}")
        refused = sum(job.status == "refused" for job in jobs)
        halted = len(pending) - len(started)
        parts = {
            "done": len(jobs) - failed - halted - refused,
            "failed": failed,
            "not started": halted,
            "refused": refused,
        }
        words = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
        self.log(f"sweep of {len(jobs)} jobs: {words}")
        if parts["done"]:
            self.log(f"compare: bnrun-report {self.configs.study}")
            self.log(f"curves: tensorboard --logdir {self.configs.study}")
        if failed:
            raise UserError(
                f"{failed} of {len(jobs)} jobs failed; run the same command again to run what is "
                f"missing"
            )

    def _list(self, jobs: list[Job]) -> None:
        console = Console()
        for job in jobs:
            reason = f": {job.reason}" if job.reason else ""
            line = f"{job.status:10} {job.folder.name}{reason}"
            console.print(line, soft_wrap=True, highlight=False)
        counts = Counter(job.status for job in jobs)
        words = ", ".join(f"{number} {status}" for status, number in counts.items())
        console.print(f"{len(jobs)} jobs: {words}; {time_left(jobs)}", soft_wrap=True)

    def log(self, text: str) -> None:
        """Print `text`."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)


def _is_halted(answer: JobReturn) -> bool:
    """Whether another job's failure has kept this one from starting."""
    return bool(answer._return_value == HALTED)


def _diverged(job: Job) -> list[int]:
    """Seeds that diverged in a job that is done."""
    return sorted(read_result(job.folder / RESULT)["diverged"]) if job.done else []


def _failure(job: Job, answer: JobReturn) -> str | None:
    """Why a job that was launched is not done; None if it is."""
    error = answer._return_value
    if answer.status == JobStatus.FAILED and not isinstance(error, DivergedError):
        return sentence(error)
    if job.done:
        return None
    if not job.folder.exists():
        return "it was not started"
    try:
        running = is_claimed(job.folder)
    except OSError as reason:
        return sentence(reason)
    return "it is still running" if running else "it ended without a result, as if killed"
