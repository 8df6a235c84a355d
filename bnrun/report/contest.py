"""Who competes with whom: estimators where everything else is equal, on shared seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bnrun.report.layout import Column
from bnrun.report.runs import Run
from bnrun.report.scores import SPLITS, ScoreName, values_of
from bnrun.report.statistics import Paired, compare_pairs
from bnrun.report.table import RunTable
from bnrun.report.tuning import TUNED, Trial, choose, final_seeds

_LOWER_IS_BETTER = ("loss", "error", "nll", "perplexity", "mse", "bits_per_dimension")
_OWN_WAY = {"dbn": "thresholded", "real": "mean_field"}
"""How a neuron is evaluated as it is trained; every other one by a single sample of its bits."""

_NEITHER = ("seeds", "name")


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


@dataclass(frozen=True)
class Pair:
    """Two contestants, the one with the better mean first; `told` is positive where it leads."""

    better: Contestant
    worse: Contestant
    told: Paired


@dataclass(frozen=True)
class Contest:
    """All contestants in one setting, best first, and all their pairs.

    setting  what tells this setting from the others, e.g. neuron=sbn; "" for the only one
    score    e.g. test accuracy
    way      of evaluating, where one was asked for; "" means each neuron's own
    differ   in what the contestants do, e.g. estimator
    """

    setting: str
    score: str
    way: str
    differ: str
    contestants: list[Contestant]
    pairs: list[Pair]

    def pair(self, better: Contestant, worse: Contestant) -> Pair:
        """The pair of these two."""
        return next(p for p in self.pairs if p.better is better and p.worse is worse)


def contests(table: RunTable, wanted: ScoreName | None = None) -> list[Contest]:
    """The contests among the runs of a table; Holm's correction is over all their pairs.

    What competes is the estimator with its own settings, or where there is only one, the first
    other setting that differs. `wanted` names a score other than the main one.

    Raises ValueError if no run has the score.
    """
    split, score = main_score(table.names, wanted)
    compared = _compared(table.settings)
    tuned = [c for c in _free(table, compared) if c.title.split(".")[0] in TUNED]
    fixed = [c for c in _free(table, compared) if c not in tuned]
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for number, run in enumerate(table.runs):
        if seed_scores([run], split, score, wanted):
            key = (_cells(fixed, number), _label(compared, number), _cells(tuned, number))
            groups.setdefault(key, []).append(run)
    tried: dict[tuple[str, str], list[Trial]] = {}
    for (setting, label, choice), runs in groups.items():
        validation = seed_scores(runs, "validation", score, wanted)
        tried.setdefault((setting, label), []).append(Trial(choice, tuple(runs), validation))
    fields: dict[str, list[Contestant]] = {}
    for (setting, label), trials in tried.items():
        chosen = choose(trials, sign_of(score))
        seeds = final_seeds(chosen, trials)
        counted = tuple(run for run in chosen.runs if seeds.intersection(run.result["seeds"]))
        scores = seed_scores(counted, split, score, wanted)
        values = {seed: value for seed, value in scores.items() if seed in seeds}
        contestant = Contestant(label, chosen.choice, counted, values, tuple(trials))
        fields.setdefault(setting, []).append(contestant)
    differ = compared[0].title if compared else ""
    way = wanted.way if wanted else ""
    return _held(fields, f"{split} {score}", way, differ, sign_of(score))


def sign_of(score: str) -> float:
    """-1 for a score of which less is better, else 1."""
    return -1.0 if score in _LOWER_IS_BETTER else 1.0


def own_way(run: Run, ways: Sequence[str]) -> str:
    """How a run's neuron is evaluated as it is trained; the first of `ways` if it has not that."""
    own = _OWN_WAY.get(str(run.result["config"]["choices"].get("neuron")), "sampled")
    return own if own in ways else next(iter(ways), "")


def _held(
    fields: dict[str, list[Contestant]], score: str, way: str, differ: str, sign: float
) -> list[Contest]:
    for field in fields.values():
        field.sort(key=lambda c: math.inf if math.isnan(c.mean) else -sign * c.mean)
    pairs = [
        (setting, better, worse)
        for setting, field in fields.items()
        for better, worse in combinations(field, 2)
    ]
    told = compare_pairs([_columns(better, worse, sign) for _, better, worse in pairs])
    met: dict[str, list[Pair]] = {setting: [] for setting in fields}
    for (setting, better, worse), paired in zip(pairs, told, strict=True):
        met[setting].append(Pair(better, worse, paired))
    return [
        Contest(setting, score, way, differ, field, met[setting])
        for setting, field in fields.items()
    ]


def _columns(a: Contestant, b: Contestant, sign: float) -> tuple[list[float], list[float]]:
    shared = [seed for seed in a.values if seed in b.values]
    return [sign * a.values[seed] for seed in shared], [sign * b.values[seed] for seed in shared]


def main_score(names: Sequence[ScoreName], wanted: ScoreName | None = None) -> tuple[str, str]:
    """Split and score to compare by: those of `wanted`, or the first there is.

    Raises ValueError if `wanted` is not among the names, or if there are none.
    """
    if wanted is not None:
        if wanted not in names:
            have = ", ".join("/".join(name) for name in names)
            raise ValueError(f"--score {'/'.join(wanted)}: no run has it, use one of {have}")
        return wanted.split, wanted.score
    shown = [name for split in SPLITS for name in names if name.split == split]
    telling = [name for name in shown if name.score != "loss"] or shown or list(names)
    if not telling:
        raise ValueError("no run has a score, so there is nothing to compare")
    return telling[0].split, telling[0].score


def seed_scores(
    runs: Sequence[Run], split: str, score: str, wanted: ScoreName | None = None
) -> dict[int, float]:
    """Seed -> score; a seed that several runs have is taken from the first."""
    found: dict[int, float] = {}
    for run in runs:
        ways = run.result["scores"].get(split, {}).get(score, {})
        way = wanted.way if wanted else own_way(run, list(ways))
        values = values_of(run.result, ScoreName(split, score, way))
        for seed, value in zip(run.result["seeds"], values, strict=False):
            found.setdefault(seed, math.nan if seed in run.result["diverged"] else value)
    return found


def _compared(settings: Sequence[Column]) -> list[Column]:
    varying = [c for c in settings if not c.constant and c.title not in _NEITHER]
    if not varying:
        return [c for c in settings if c.title == "estimator"]
    own = [c for c in varying if c.title.startswith("estimator.")]
    choice = [c for c in settings if c.title == "estimator" and (own or not c.constant)]
    return [*choice, *own] or varying[:1]


def _free(table: RunTable, compared: Sequence[Column]) -> list[Column]:
    return [
        c
        for c in table.settings
        if not c.constant and c not in compared and c.title not in _NEITHER
    ]


def _label(columns: Sequence[Column], number: int) -> str:
    """The value of the first column, then name=value of those that apply."""
    words: list[str] = []
    for column in columns:
        cell, name = column.cells[number], column.title.rpartition(".")[2]
        if "." not in column.title:
            words.insert(0, cell)
        elif cell != "–":
            words.append(f"{name}={cell}")
    return " ".join(words)


def _cells(columns: Sequence[Column], number: int) -> str:
    return ", ".join(f"{c.title}={c.cells[number]}" for c in columns if c.cells[number] != "–")
