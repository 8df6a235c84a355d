"""Who takes part: estimators, each with what is best for it on validation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bnrun.report.compare.tuning import TUNED, Trial, choose, final_seeds
from bnrun.report.compare.yardstick import Wanted, Yardstick, require, yardstick
from bnrun.report.read.comparison import ABSENT
from bnrun.report.read.layout import Column
from bnrun.report.read.runs import Run
from bnrun.report.render.table import RunTable

_NEITHER = ("seeds", "name")
"""What neither competes nor makes a setting: runs that differ in these alone are joined."""


@dataclass(frozen=True)
class Contestant:
    """One estimator in one setting.

    label   e.g. sigmoid_st, or sigmoid_st slope=2 where that differs
    tuned   what was chosen for it on validation, e.g. optimizer.lr=0.1, or nothing
    runs    whose seeds it joins
    values  seed -> final score, NaN for a seed that diverged
    trials  all that was tried for it, the chosen one among them
    """

    label: str
    tuned: str
    runs: tuple[Run, ...]
    values: dict[int, float]
    trials: tuple[Trial, ...]

    @property
    def finite(self) -> list[float]:
        """Scores of the seeds that did not diverge."""
        return [value for value in self.values.values() if math.isfinite(value)]

    @property
    def mean(self) -> float:
        """Of the finite scores; NaN where there is none."""
        return sum(self.finite) / len(self.finite) if self.finite else math.nan

    @property
    def diverged(self) -> int:
        """Number of seeds without a finite score."""
        return len(self.values) - len(self.finite)

    @property
    def seconds(self) -> float:
        """Wall time of its runs."""
        return sum(run.result["seconds"] for run in self.runs)


class Field(NamedTuple):
    """All contestants in one setting, best first.

    setting    what tells this setting from the others, e.g. neuron=sbn; "" for the only one
    yardstick  what they are compared by
    differ     in what they do, e.g. ("estimator",)
    """

    setting: str
    yardstick: Yardstick
    differ: tuple[str, ...]
    contestants: list[Contestant]


def fields(
    table: RunTable, wanted: Wanted | None = None, by: Sequence[str] | None = None
) -> list[Field]:
    """The contests to be held among the runs of a table.

    What competes is what `by` names; by default the estimator with its own settings, or where
    there is only one, the first other setting that differs. Each contestant takes the optimizer
    and the schedule that are best on validation, where there is a score on validation. `wanted`
    is another score than that which the runs name as their goal; runs without it are left out.

    Raises ValueError if no run has the wanted score, or a setting in `by`.
    """
    if wanted is not None:
        require(table.runs, wanted)
    compared = _compared(table.settings) if by is None else _named(table.settings, by)
    found: dict[tuple[Yardstick, str], list[Contestant]] = {}
    for (measure, setting, label), trials in _tried(table, compared, wanted).items():
        contestant = _contestant(label, trials, measure)
        found.setdefault((measure, setting), []).append(contestant)
    differ = tuple(column.title for column in compared)
    return [
        Field(setting, measure, differ, sorted(contestants, key=lambda c: _rank(c, measure)))
        for (measure, setting), contestants in found.items()
    ]


def _tried(
    table: RunTable, compared: Sequence[Column], wanted: Wanted | None
) -> dict[tuple[Yardstick, str, str], list[Trial]]:
    """Yardstick, setting and contestant -> all that was tried for it."""
    judged = [
        (number, run, measure)
        for number, run in enumerate(table.runs)
        if (measure := yardstick(run.result, wanted)) is not None
    ]
    free = [c for c in table.settings if not (c.constant or c in compared or c.title in _NEITHER)]
    # Without a score on validation there is nothing to choose by: then these are settings too.
    choosable = all(measure.values([run], "validation") for _, run, measure in judged)
    tuned = [c for c in free if choosable and c.title.split(".")[0] in TUNED]
    fixed = [c for c in free if c not in tuned]
    groups: dict[tuple[Yardstick, str, str, str], list[Run]] = {}
    for number, run, measure in judged:
        names = (_cells(fixed, number), _label(compared, number), _cells(tuned, number))
        groups.setdefault((measure, *names), []).append(run)
    tried: dict[tuple[Yardstick, str, str], list[Trial]] = {}
    for (measure, setting, label, choice), runs in groups.items():
        trial = Trial(choice, tuple(runs), measure.values(runs, "validation"))
        tried.setdefault((measure, setting, label), []).append(trial)
    return tried


def _contestant(label: str, trials: Sequence[Trial], measure: Yardstick) -> Contestant:
    chosen = choose(trials, measure.sign)
    seeds = final_seeds(chosen, trials)
    runs = tuple(run for run in chosen.runs if seeds.intersection(run.result["seeds"]))
    values = {seed: value for seed, value in measure.values(runs).items() if seed in seeds}
    return Contestant(label, chosen.choice, runs, values, tuple(trials))


def _rank(contestant: Contestant, measure: Yardstick) -> float:
    return math.inf if math.isnan(contestant.mean) else -measure.sign * contestant.mean


def _compared(settings: Sequence[Column]) -> list[Column]:
    varying = [c for c in settings if not c.constant and c.title not in (*_NEITHER, "task")]
    if not varying:
        return [c for c in settings if c.title == "estimator"]
    own = [c for c in varying if c.title.startswith("estimator.")]
    choice = [c for c in settings if c.title == "estimator" and (own or not c.constant)]
    return [*choice, *own] or varying[:1]


def _named(settings: Sequence[Column], by: Sequence[str]) -> list[Column]:
    """The named settings, each with those below it, as estimator.slope is below estimator."""
    titles = [column.title for column in settings]
    for name in by:
        if name not in titles:
            raise ValueError(f"{name}: not a setting of these runs, use {', '.join(titles)}")
    return [
        c
        for name in by
        for c in settings
        if c.title == name or (c.title.startswith(f"{name}.") and not c.constant)
    ]


def _label(columns: Sequence[Column], number: int) -> str:
    """The choices of groups, then name=value of the other settings that apply."""
    choices = [c.cells[number] for c in columns if "." not in c.title]
    values = [c for c in columns if "." in c.title and c.cells[number] != ABSENT]
    named = [f"{c.title.rpartition('.')[2]}={c.cells[number]}" for c in values]
    return " ".join([*choices, *named])


def _cells(columns: Sequence[Column], number: int) -> str:
    shown = [c for c in columns if c.cells[number] != ABSENT]
    return ", ".join(f"{c.title}={c.cells[number]}" for c in shown)
