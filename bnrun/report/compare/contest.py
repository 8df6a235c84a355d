"""What is compared with what: contestants in pairs, in every setting, on shared seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from bnrun.report.compare.field import Contestant, Field, fields
from bnrun.report.compare.statistics import Paired, compare_pairs
from bnrun.report.compare.yardstick import Wanted, Yardstick
from bnrun.report.read.scores import decimals
from bnrun.report.render.table import RunTable


@dataclass(frozen=True)
class Pair:
    """Two contestants, the one with the better mean first; `told` is positive where it leads."""

    better: Contestant
    worse: Contestant
    told: Paired


@dataclass(frozen=True)
class Contest:
    """A field with all its pairs."""

    field: Field
    pairs: list[Pair]

    @property
    def setting(self) -> str:
        """What tells it from the others, e.g. neuron=sbn; "" for the only one."""
        return self.field.setting

    @property
    def yardstick(self) -> Yardstick:
        """What its contestants are compared by."""
        return self.field.yardstick

    @property
    def contestants(self) -> list[Contestant]:
        """The best first."""
        return self.field.contestants

    @property
    def ways(self) -> list[str]:
        """How its contestants are evaluated, e.g. sampled; several where their neurons differ."""
        return list(
            dict.fromkeys(self.yardstick.way_of(run) for c in self.contestants for run in c.runs)
        )

    @cached_property
    def digits(self) -> int:
        """Decimals that its scores are shown with."""
        return decimals(c.finite for c in self.contestants)

    def pair(self, better: Contestant, worse: Contestant) -> Pair:
        """The pair of these two."""
        return next(p for p in self.pairs if p.better is better and p.worse is worse)


def contests(
    table: RunTable, wanted: Wanted | None = None, by: Sequence[str] | None = None
) -> list[Contest]:
    """A contest in every field of the table; Holm's correction is over all their pairs.

    Raises ValueError as fields does.
    """
    entered = fields(table, wanted, by)
    pairs = [
        (number, better, worse)
        for number, field in enumerate(entered)
        for better, worse in combinations(field.contestants, 2)
    ]
    told = compare_pairs(
        [_columns(better, worse, entered[number].yardstick) for number, better, worse in pairs]
    )
    met: list[list[Pair]] = [[] for _ in entered]
    for (number, better, worse), paired in zip(pairs, told, strict=True):
        met[number].append(Pair(better, worse, paired))
    return [Contest(field, held) for field, held in zip(entered, met, strict=True)]


def _columns(a: Contestant, b: Contestant, measure: Yardstick) -> tuple[list[float], list[float]]:
    shared = [seed for seed in a.values if seed in b.values]
    first, second = ([measure.sign * c.values[seed] for seed in shared] for c in (a, b))
    return first, second
