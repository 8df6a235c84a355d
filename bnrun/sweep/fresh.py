"""After a search: the best of each setting on validation, to be run with seeds of their own."""

import json
from collections.abc import Callable, Sequence

from bnrun.config.count import number_of
from bnrun.config.errors import UserError
from bnrun.recording.result import RESULT, read_result
from bnrun.report.compare.tuning import TUNED, Trial, choose
from bnrun.report.compare.yardstick import Yardstick, settled, yardstick
from bnrun.report.read.runs import Run
from bnrun.sweep.configs import JobConfig
from bnrun.sweep.plan import Job, plan_jobs


def with_fresh_seeds(
    overrides: Sequence[Sequence[str]],
    compose: Callable[[Sequence[str]], JobConfig],
    log: Callable[[str], None],
    setting: "Callable[[Job], str] | None" = None,
) -> list[list[str]]:
    """Overrides of the jobs to run after a search; none while a job of the search is missing.

    All settings get the same seeds, which follow the largest one of the search, so that none of
    them influenced the choice.

    setting  names that of a job; by default everything but optimizer, schedule and seeds makes one
    """
    jobs = [job for job in plan_jobs(overrides, compose).jobs if job.status != "refused"]
    if not jobs:
        return []
    number = jobs[0].config["sweep"]["fresh_seeds"]
    if any(job.status != "done" for job in jobs):
        seeds = number_of(number, "fresh seed")
        log(f"afterwards: {seeds} for the best of each setting on validation")
        return []
    trials = {job.folder: trial_of(job) for job in jobs}
    first = 1 + max(seed for trial, _ in trials.values() for seed in trial.seeds)
    seeds = f"seeds=[{','.join(map(str, range(first, first + number)))}]"
    settings: dict[str, list[Job]] = {}
    for job in jobs:
        settings.setdefault((setting or _setting)(job), []).append(job)
    fresh = []
    for name, group in _named(list(settings.values())):
        tried = [trials[job.folder][0] for job in group]
        best = choose(tried, trials[group[0].folder][1].sign)
        log(f"{name}: {described(best, tried)}")
        if best.finite:
            words = group[tried.index(best)].overrides
            fresh.append([*(word for word in words if _key(word) != "seeds"), seeds])
    return fresh


def trial_of(job: Job) -> tuple[Trial, Yardstick]:
    """A job as a trial, and its yardstick. Raises UserError if it has no score on validation."""
    run = Run(job.folder, read_result(job.folder / RESULT), frozenset())
    measure = yardstick(run.result)
    measure = measure and settled(measure, [run])
    values = {} if measure is None else measure.values([run], "validation")
    if measure is None or not values:
        raise UserError(
            f"{job.folder.name}: has no score on validation to choose by: leave out "
            f"sweep.fresh_seeds and hydra.sweeper.search"
        )
    choice = ", ".join(word for word in job.overrides if _is_tuned(word))
    return Trial(choice, (run,), values), measure


def _setting(job: Job) -> str:
    hidden = (*TUNED, "seeds", "choices")
    return json.dumps({k: v for k, v in job.config.items() if k not in hidden}, sort_keys=True)


def _named(groups: list[list[Job]]) -> list[tuple[str, list[Job]]]:
    """Each group with the overrides in which it differs from another."""
    words = [[word for word in group[0].overrides if not _is_tuned(word)] for group in groups]
    return list(zip(distinct(words), groups, strict=True))


def distinct(words: Sequence[Sequence[str]]) -> list[str]:
    """A name for each of several lists of words: those that not all of them have."""
    common = set(words[0]).intersection(*words)
    names = [" ".join(word for word in own if word not in common) for own in words]
    return [name or "search" for name in names]


def described(best: Trial, tried: Sequence[Trial]) -> str:
    """What a search has found: its best trial, and whether that is at an edge."""
    if not best.finite:
        every = "all " * (len(tried) > 1)
        trials = number_of(len(tried), "trial")
        return f"every seed diverged in {every}{trials}, so there is no best one"
    rates = sorted({trial.lr for trial in tried})
    edge = len(rates) > 1 and best.lr in (rates[0], rates[-1])
    hint = "; it has the smallest or largest learning rate tried, so try others beyond it"
    if not best.choice:
        return "only one trial, so there was nothing to choose on validation"
    trials = number_of(len(tried), "trial")
    return f"best on validation of {trials}: {best.choice}" + hint * edge


def _key(word: str) -> str:
    return word.lstrip("+~").split("=")[0].split("@")[0]


def _is_tuned(word: str) -> bool:
    return _key(word).split(".")[0] in TUNED
