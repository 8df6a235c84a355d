"""How much the learning rate matters: the score on validation against it, where it was varied."""

import math

import numpy as np

from bnrun.report.compare.contest import Contest
from bnrun.report.compare.tuning import Trial, choose, shared_seeds
from bnrun.report.render.panel import Line, Panel

_RATE = "optimizer.lr"


def sensitivity(contest: Contest) -> list[Panel]:
    """One panel with a line per contestant; none if the learning rate was not varied.

    A line is over the seeds that all trials of its contestant share. If more than the learning rate
    was tuned, each learning rate uses the trial that is best with it. A point is missing if every
    seed diverged.
    """
    lines = [_line(label, trials, contest) for label, trials in _trials(contest).items()]
    score = contest.yardstick.measure
    shown = [line for line in lines if len(line.x) > 1]
    if not shown:
        return []
    title = f"Validation {score} against learning rate"
    return [Panel(title, _RATE, score, shown, log_x=True)]


def _trials(contest: Contest) -> dict[str, list[Trial]]:
    """Label -> everything that was tried; learning rates that compete make one line together."""
    if contest.field.differ != (_RATE,):
        return {c.label: list(c.trials) for c in contest.contestants}
    trials = [trial for c in contest.contestants for trial in c.trials]
    choices = trials[0].runs[0].result["config"].get("choices", {})
    return {str(choices.get("estimator", _RATE)): trials}


def _line(label: str, trials: list[Trial], contest: Contest) -> Line:
    seeds = sorted(shared_seeds(trials))
    rates = sorted({trial.lr for trial in trials if math.isfinite(trial.lr)})
    with_rate = [[trial for trial in trials if trial.lr == rate] for rate in rates]
    best = [choose(same, contest.yardstick.sign) for same in with_rate]
    rows = [[trial.validation.get(seed, math.nan) for seed in seeds] for trial in best]
    return Line.over_seeds(label, np.array(rates), np.array(rows).reshape(len(rates), len(seeds)))
