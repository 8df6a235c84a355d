"""A search: Optuna proposes the trials of each setting, and every trial is a job like all others.

It keeps no state. Proposals follow from the seed and from the results of earlier trials, so that
the same command proposes the same trials, finds those that are done, and runs the rest.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from bnrun.recording.metrics import points
from bnrun.recording.result import RESULT, read_result
from bnrun.recording.tags import ScoreName
from bnrun.report.compare.tuning import choose
from bnrun.sweep.expansion import Setting
from bnrun.sweep.fresh import described, trial_of
from bnrun.sweep.options import SearchOptions
from bnrun.sweep.outcome import Outcome
from bnrun.sweep.plan import Job
from bnrun.sweep.space import distribution, word

_UNPRUNED = 5
"""Trials of a setting that are trained to the end before a later one may be stopped early."""


class Tried(NamedTuple):
    """A trial that has ended: Optuna's, its words, and its job."""

    trial: optuna.trial.Trial
    words: list[str]
    job: Job


@dataclass
class Search:
    """The search of one setting.

    name     of the setting
    run      runs the jobs with these overrides, and returns how each ended
    at_once  number of trials that are proposed before the result of any of them is known
    """

    setting: Setting
    name: str
    options: SearchOptions
    run: Callable[[Sequence[Sequence[str]]], list[Outcome]]
    at_once: int
    outcomes: list[Outcome] = field(default_factory=list)
    complete: list[Tried] = field(default_factory=list)
    """Trials that were trained to the end."""

    def __post_init__(self) -> None:
        self._ranges = {key: distribution(o) for key, o in self.setting.searched.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize", sampler=self._sampler())

    def search(self) -> None:
        """Run all trials.

        Stops at a trial that failed, if later proposals depend on its result.
        """
        left = self.options.trials
        while left:
            asked = [self._study.ask(self._ranges) for _ in range(min(left, self.at_once))]
            left -= len(asked)
            words = [self._words(trial) for trial in asked]
            limits = self._limits()  # no part of a trial: runs with fresh seeds have none
            ended = self.run([[*own, *limits] for own in words])
            for trial, own, outcome in zip(asked, words, ended, strict=True):
                self._tell(Tried(trial, own, outcome.job), outcome)
            self.outcomes += ended
            without = [one for one in ended if not one.has_result and one.kind != "pruned"]
            if without and self.options.adapts:
                break

    @property
    def best(self) -> str:
        """The best trial on validation, in words."""
        if not self.complete:
            return "no trial was trained to the end"
        tried = [trial_of(one.job)[0] for one in self.complete]
        return described(choose(tried, trial_of(self.complete[0].job)[1].sign), tried)

    def _sampler(self) -> optuna.samplers.BaseSampler:
        if self.options.sampler == "random":
            return optuna.samplers.RandomSampler(seed=self.options.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # Keeps trials apart that run side by side.
            return optuna.samplers.TPESampler(seed=self.options.seed, constant_liar=True)

    def _words(self, trial: optuna.trial.Trial) -> list[str]:
        searched = [word(key, trial.params[key], own) for key, own in self._ranges.items()]
        return [*self.setting.words, *searched]

    def _tell(self, tried: Tried, outcome: Outcome) -> None:
        """Tell Optuna how a trial ended: the mean over seeds, unless one diverged."""
        if outcome.kind == "pruned":
            for step, mean in self._curve(tried.job).items():
                tried.trial.report(mean, step)
            self._study.tell(tried.trial, state=TrialState.PRUNED)
            return
        mean = math.nan
        if outcome.has_result:
            self.complete.append(tried)
            trial, measure = trial_of(tried.job)
            mean = measure.sign * fmean(trial.validation.values())
        if math.isfinite(mean):
            self._study.tell(tried.trial, mean)
        else:
            self._study.tell(tried.trial, state=TrialState.FAIL)

    def _limits(self) -> list[str]:
        """The word that stops a trial where it is worse than the median of the complete ones."""
        if not self.options.prune or len(self.complete) < _UNPRUNED:
            return []
        curves = [self._curve(one.job) for one in self.complete]
        steps = [step for step in curves[0] if step > 0 and all(step in own for own in curves)]
        name, larger = self._goal()
        sign = 1 if larger else -1
        middle = {step: sign * median(own[step] for own in curves) for step in steps}
        values = ",".join(f"{step}:{m:.6g}" for step, m in middle.items() if math.isfinite(m))
        text = f"tag:{name.tag},larger_is_better:{str(larger).lower()},at:{{{values}}}"
        return [f"sweep.limits={{{text}}}"]

    def _curve(self, job: Job) -> dict[int, float]:
        """Step -> the goal on validation, mean over seeds, where larger is better."""
        name, larger = self._goal()
        sign = 1 if larger else -1
        curve = {
            point.step: sign * fmean(point.values[name.tag])
            for point in points(job.folder)
            if name.tag in point.values
        }
        return {step: mean if math.isfinite(mean) else -math.inf for step, mean in curve.items()}

    def _goal(self) -> tuple[ScoreName, bool]:
        result = read_result(self.complete[0].job.folder / RESULT)
        goal = result["goal"]
        name = ScoreName("validation", goal["score"], goal["way"] or result["way"])
        return name, goal["larger_is_better"]
