"""Running a sweep: plan its jobs, launch those that are not done, report how they ended."""

import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hydra.plugins.launcher import Launcher
from rich.console import Console

from bnrun.config.count import number_of
from bnrun.config.errors import UserError
from bnrun.recording.result import RESULT, read_result
from bnrun.run.identity import changes_of_code, code_of
from bnrun.run.job import WITHOUT_SMOOTHING
from bnrun.sweep.configs import Configs
from bnrun.sweep.expansion import Setting
from bnrun.sweep.fresh import distinct, with_fresh_seeds
from bnrun.sweep.group_runs import updated_group_runs
from bnrun.sweep.halt import halting
from bnrun.sweep.launch import launch, workers_of
from bnrun.sweep.options import SearchOptions, sweep_options
from bnrun.sweep.outcome import Launched, Outcome, counted, launched_outcome, outcomes_of
from bnrun.sweep.plan import Job, Plan, plan_jobs
from bnrun.sweep.say import names, quoted, say
from bnrun.sweep.screen import Trials, list_jobs
from bnrun.sweep.surroundings import named, only_if_used
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

    def run(self, overrides: Sequence[Sequence[str]]) -> list[Outcome]:
        """Run every job that is not done, then, if asked for, the best ones with fresh seeds.

        Returns how each job ended; nothing if the jobs were only to be listed.
        Raises UserError before anything starts if a job is refused, at the end if one has failed.
        """
        outcomes = self._run_once(overrides)
        if self._has_fresh_seeds(overrides[0]):
            fresh = with_fresh_seeds(overrides, self.configs, self.log)
            outcomes += self._run_once(fresh) if fresh else []
        return outcomes

    def search(self, settings: Sequence[Setting], options: SearchOptions) -> list[Outcome]:
        """Search each setting with the same number of trials; then as `run`.

        Returns how each trial and each fresh job ended.
        Raises UserError if a trial is refused or has failed, or if the launcher runs trials side by
        side and nothing says how many.
        """
        try:
            from bnrun.sweep.search import Search
        except ModuleNotFoundError as error:
            raise UserError(
                f"hydra.sweeper.search=optuna: {error.name} is not installed: pip install "
                f'"bnrun[optuna]"'
            ) from error
        at_once = self._at_once(options)
        called = distinct([one.words for one in settings])
        trials = Trials(self.console, len(settings) * options.trials)
        run = partial(self._run_trials, trials)
        searches = [
            Search(one, name, options, run, at_once)
            for one, name in zip(settings, called, strict=True)
        ]
        with workers_of(self.launcher):
            for search in searches:
                search.search()
        ended = [outcome for search in searches for outcome in search.outcomes]
        outcomes = self._report(ended, f"search of {number_of(len(ended), 'trial')}")
        if not self._has_fresh_seeds(settings[0].words):
            for search in searches:
                self.log(f"{search.name}: {search.best}")
            return outcomes
        complete = {tuple(one.words): s.name for s in searches for one in s.complete}
        fresh = with_fresh_seeds(
            list(map(list, complete)), self.configs, self.log, lambda j: complete[(*j.overrides,)]
        )
        return outcomes + (self._run_once(fresh) if fresh else [])

    def _has_fresh_seeds(self, overrides: Sequence[str]) -> bool:
        return self.configs(overrides).config["sweep"]["fresh_seeds"] is not None

    def _at_once(self, options: SearchOptions) -> int:
        if not options.adapts:
            return options.trials
        if self.max_batch_size is None and not self.configs.in_turn:
            raise UserError(
                "hydra.sweeper.search=optuna: its trials depend on those before, so give "
                "hydra.sweeper.max_batch_size=4 or another number of trials to run side by side, "
                "or use hydra.sweeper.sampler=random"
            )
        return self.max_batch_size or 1

    def _run_trials(self, trials: Trials, overrides: Sequence[Sequence[str]]) -> list[Outcome]:
        """Run the trials that are not done; how each ended, in their order."""
        jobs = plan_jobs(overrides, self.configs).jobs
        options = sweep_options(jobs)
        if options.dry_run:
            raise UserError(
                "sweep.dry_run=true: cannot list the trials of a search, which are proposed while "
                "it runs: leave out hydra.sweeper.search, or dry_run"
            )
        runnable = self._runnable(jobs, skip_invalid=False)
        pending = [job for job in runnable if job.force or not (job.status == "done" or job.pruned)]
        trials.count(len(overrides) - len(pending))
        launched = self._launch_watched(pending, options.fail_fast, trials)
        trials.count(len(pending))
        outcomes = outcomes_of(jobs, launched)
        ended = {tuple(outcome.job.overrides): outcome for outcome in outcomes}
        if len(ended) == len(overrides):
            return [ended[tuple(words)] for words in overrides]
        # Some trials are the same job.
        by_folder = {outcome.job.folder: outcome for outcome in outcomes}
        return [by_folder[self.configs(words).folder] for words in overrides]

    def _run_once(self, overrides: Sequence[Sequence[str]]) -> list[Outcome]:
        plan = plan_jobs(overrides, self.configs)
        options = sweep_options(plan.jobs)
        self._report_repeats(plan)
        if options.dry_run:
            list_jobs(plan.jobs)
            return []
        runnable = self._runnable(plan.jobs, options.skip_invalid)
        pending = [job for job in runnable if job.force or job.status != "done"]
        if len(pending) < len(runnable):
            number = len(runnable) - len(pending)
            verb = "is" if number == 1 else "are"
            self.log(f"skipped {number} of {number_of(len(plan.jobs), 'job')}, which {verb} done")
            self._report_other_code([job for job in runnable if job not in pending])
        with self._group_runs(runnable, options.groups), workers_of(self.launcher):
            launched = self._launch_watched(pending, options.fail_fast)
        outcomes = outcomes_of(plan.jobs, launched)
        return self._report(outcomes, f"sweep of {number_of(len(outcomes), 'job')}")

    def _launch_watched(
        self, jobs: list[Job], fail_fast: bool, trials: Trials | None = None
    ) -> list[Launched]:
        name = f"{socket.gethostname()} {os.getpid()}"
        with named(name), watched(jobs, self.console, self.configs.in_turn, name, trials):
            return self._launch(jobs, fail_fast)

    def _report_other_code(self, done: Sequence[Job]) -> None:
        codes = [code_of(read_result(job.folder / RESULT)) for job in done]
        changes = Counter(", ".join(changes_of_code(code)) for code in codes)
        for text, number in changes.items():
            if text:
                self.log(f"{number} of them computed by other code: {text}")

    def _report_repeats(self, plan: Plan) -> None:
        if not plan.repeats:
            return
        words = " ".join(plan.repeats[0])
        more = f" and {len(plan.repeats) - 1} more" * (len(plan.repeats) > 1)
        self.log(f"listed more than once, run once: {words}{more}")

    def _runnable(self, jobs: Sequence[Job], skip_invalid: bool) -> list[Job]:
        """The jobs that are not refused. Raises UserError if one is and may not be skipped."""
        reasons: dict[str, list[Job]] = {}
        for job in jobs:
            if job.status == "refused":
                reasons.setdefault(job.reason, []).append(job)
        called = names(job.folder for job in jobs)
        for reason, refused in reasons.items():
            count = f"{len(refused)} of {len(jobs)} jobs, like " * (len(refused) > 1)
            self.log(f"refused: {count}{called[refused[0].folder]}: {reason}")
        number = sum(map(len, reasons.values()))
        if number == len(jobs) or (number and not skip_invalid):
            skip = ", or skip them with sweep.skip_invalid=true" * (number < len(jobs))
            raise UserError(
                f"{number} of {number_of(len(jobs), 'job')} cannot be run, so none was started: "
                f"fix {'it' if number == 1 else 'them'}{skip}"
            )
        return [job for job in jobs if job.status != "refused"]

    @contextmanager
    def _group_runs(self, jobs: Sequence[Job], by: Sequence[str] | None) -> Iterator[None]:
        with ExitStack() as stack:
            for study in _studies(jobs):
                folders = [job.folder for job in jobs if job.study == study]
                stack.enter_context(updated_group_runs(study, folders, by, self.log))
            yield

    def _launch(self, jobs: list[Job], fail_fast: bool) -> list[Launched]:
        """Every job that was handed to the launcher."""
        launched: list[Launched] = []
        studies = _studies(jobs)
        for study in studies:
            self.configs.save(study)
        size = self.max_batch_size or (1 if self.configs.in_turn else max(1, len(jobs)))
        # Launchers make the folder that all jobs would share if they did not name their own.
        with only_if_used(self.configs.folder), halting(studies if fail_fast else []):
            for first in range(0, len(jobs), size):
                ended = launch(self.launcher, jobs[first : first + size], first, self.log)
                launched += ended
                if fail_fast and any(launched_outcome(one).kind == "failed" for one in ended):
                    break
        return launched

    def _report(self, outcomes: list[Outcome], what: str) -> list[Outcome]:
        """Log and return how each job ended; `what` they were. Raises UserError if one failed."""
        jobs = [outcome.job for outcome in outcomes]
        called = names(job.folder for job in jobs)
        for outcome in outcomes:
            if outcome.text and outcome.kind != "refused":
                kind = outcome.kind.removesuffix(" before")
                self.log(f"{kind}: {called[outcome.job.folder]}: {outcome.text}")
        self.log(f"{what}: {counted(outcomes)}")
        self._report_studies(outcomes)
        failed = sum(outcome.kind == "failed" for outcome in outcomes)
        if failed:
            raise UserError(
                f"{failed} of {number_of(len(jobs), 'job')} failed; run the same command again to "
                f"run what is missing"
            )
        return outcomes

    def _report_studies(self, outcomes: Sequence[Outcome]) -> None:
        studies = _studies([outcome.job for outcome in outcomes if outcome.has_result])
        for study in studies:
            self.log(f"compare: bnrun-report {quoted(study)}")
        for study in studies:
            self.log(f"curves: tensorboard --logdir {quoted(study)}")
        if studies:
            self.log(WITHOUT_SMOOTHING)

    def log(self, text: str) -> None:
        """Print `text`."""
        say(self.console, text)


def _studies(jobs: Sequence[Job]) -> list[Path]:
    return list(dict.fromkeys(job.study for job in jobs))
