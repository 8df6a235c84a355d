"""Who takes part: contestants, each at the settings that were best for it on validation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bnrun.report.compare.comparable import BUDGET, kinds, refused
from bnrun.report.compare.tuning import TUNED, Trial, choose, final_seeds
from bnrun.report.compare.yardstick import Wanted, Yardstick, has, require, settled, yardstick
from bnrun.report.read.column import Column
from bnrun.report.read.runs import Run
from bnrun.report.read.settings import ABSENT, RunTable

_NEITHER = ("seeds", "name")
"""These neither compete nor make a setting: runs that differ only in them are joined."""


@dataclass(frozen=True)
class Contestant:
    """One estimator in one setting.

    label   e.g. sigmoid_st, or sigmoid_st slope=2 where the slope differs
    tuned   what was chosen for it on validation, e.g. optimizer.lr=0.1; "" if nothing was
    runs    whose seeds it joins
    values  seed -> final score, NaN for a seed that diverged
    trials  everything that was tried for it, including the chosen trial
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
        """Mean of the finite scores; NaN if there are none."""
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
    """All contestants in one setting.

    setting      what distinguishes this setting from the others, e.g. neuron=sbn; "" for the only
                 one
    yardstick    the score that they are compared by
    differ       the settings that compete, e.g. ("estimator",)
    contestants  best first
    """

    setting: str
    yardstick: Yardstick
    differ: tuple[str, ...]
    contestants: list[Contestant]


def fields(
    table: RunTable, wanted: Wanted | None = None, by: Sequence[str] | None = None
) -> list[Field]:
    """The contestants among the runs of a table, one field per setting and score.

    The settings named in `by` compete; by default the estimator with its own settings, or if there
    is only one estimator, the first other setting that differs. Runs compete only on the same data,
    after the same number of updates, and in one way of evaluating. If the runs have scores on
    validation, each contestant uses the optimizer and the schedule that are best there. `wanted`
    replaces the score that the runs name as their goal; runs without it are left out.

    Raises ValueError if no run has the wanted score, if `by` names something that is not a setting
    or cannot compete, or if runs that compete have no way of evaluating in common.
    """
    if wanted is not None:
        require(table.runs, wanted)
    competing = _competing(table.settings) if by is None else _named(table.settings, by)
    contestants: dict[tuple[Yardstick, str], list[Contestant]] = {}
    for (measure, setting, label), trials in _trials(table, competing, wanted).items():
        contestant = _contestant(label, trials, measure)
        contestants.setdefault((measure, setting), []).append(contestant)
    differ = tuple(column.title for column in competing)
    return [
        Field(setting, measure, differ, sorted(group, key=lambda c: _rank(c, measure)))
        for (measure, setting), group in contestants.items()
    ]


def _trials(
    table: RunTable, competing: Sequence[Column], wanted: Wanted | None
) -> dict[tuple[Yardstick, str, str], list[Trial]]:
    """Yardstick, setting and label of a contestant -> everything that was tried for it."""
    judged = {
        number: measure
        for number, run in enumerate(table.runs)
        if (measure := yardstick(run.result, wanted)) is not None
    }
    free = [c for c in table.settings if not (c.constant or c in competing or c.title in _NEITHER)]
    # Without scores on validation there is nothing to choose by, and these are settings too.
    choosable = all(has(table.runs[n].result, "validation", m) for n, m in judged.items())
    tuned = [c for c in free if choosable and c.title.split(".")[0] in TUNED]
    fixed = [c for c in free if c not in tuned]
    alike: dict[tuple[Yardstick, str], list[int]] = {}
    for number, measure in judged.items():
        alike.setdefault((measure, _cells(fixed, number)), []).append(number)
    # Who varies the length of training wants to compare different numbers of updates.
    same_updates = not any(column.title.startswith("trainer.") for column in competing)
    trials: dict[tuple[Yardstick, str, str], dict[str, list[Run]]] = {}
    for (measure, setting), numbers in alike.items():
        runs = [table.runs[number] for number in numbers]
        apart = kinds(runs, same_updates)
        measures = {
            kind: settled(
                measure, [run for run, own in zip(runs, apart, strict=True) if own == kind]
            )
            for kind in apart
        }
        for number, run, kind in zip(numbers, runs, apart, strict=True):
            place = ", ".join(text for text in (setting, kind) if text)
            same = trials.setdefault((measures[kind], place, _label(competing, number)), {})
            same.setdefault(_cells(tuned, number), []).append(run)
    return {
        key: [
            Trial(choice, tuple(runs), key[0].values(runs, "validation"))
            for choice, runs in same.items()
        ]
        for key, same in trials.items()
    }


def _contestant(label: str, trials: Sequence[Trial], measure: Yardstick) -> Contestant:
    chosen = choose(trials, measure.sign)
    seeds = final_seeds(chosen, trials)
    runs = tuple(run for run in chosen.runs if seeds.intersection(run.result["seeds"]))
    values = {seed: value for seed, value in measure.values(runs).items() if seed in seeds}
    return Contestant(label, chosen.choice, runs, values, tuple(trials))


def _rank(contestant: Contestant, measure: Yardstick) -> float:
    return math.inf if math.isnan(contestant.mean) else -measure.sign * contestant.mean


def _competing(settings: Sequence[Column]) -> list[Column]:
    varying = [
        c
        for c in settings
        if not (c.constant or c.title in (*_NEITHER, *BUDGET, "task") or refused(c.title))
    ]
    if not varying:
        return [c for c in settings if c.title == "estimator"]
    own = [c for c in varying if c.title.startswith("estimator.")]
    choice = [c for c in settings if c.title == "estimator" and (own or not c.constant)]
    return [*choice, *own] or varying[:1]


def _named(settings: Sequence[Column], by: Sequence[str]) -> list[Column]:
    """The named settings, each with those below it, as estimator.slope is below estimator."""
    titles = [column.title for column in settings]
    for name in by:
        if reason := refused(name):
            raise ValueError(f"{name} cannot compete: {reason}")
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
    # Of two settings with the same last name, first.slope and second.slope, the whole name counts.
    last = [c.title.rpartition(".")[2] for c in columns]
    titles = [
        name if last.count(name) == 1 else c.title for c, name in zip(columns, last, strict=True)
    ]
    named = [
        f"{title}={c.cells[number]}"
        for c, title in zip(columns, titles, strict=True)
        if c in values
    ]
    return " ".join([*choices, *named])


def _cells(columns: Sequence[Column], number: int) -> str:
    present = [c for c in columns if c.cells[number] != ABSENT]
    return ", ".join(f"{c.title}={c.cells[number]}" for c in present)
