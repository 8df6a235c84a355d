"""What is compared with what: contestants in pairs, in every setting, on shared seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from bnrun.recording.intervals import decimals
from bnrun.report.compare.field import Contestant, Field, fields
from bnrun.report.compare.statistics import Difference, compare_pairs
from bnrun.report.compare.yardstick import Wanted, Yardstick
from bnrun.report.read.settings import RunTable


@dataclass(frozen=True)
class Pair:
    """Two contestants, the one with the better mean first.

    difference  better - worse, positive where the first is ahead, whichever sign is better
    """

    better: Contestant
    worse: Contestant
    difference: Difference


@dataclass(frozen=True)
class Contest:
    """A field with all its pairs."""

    field: Field
    pairs: list[Pair]

    @property
    def setting(self) -> str:
        """What distinguishes it from the other contests, e.g. neuron=sbn; "" for the only one."""
        return self.field.setting

    @property
    def yardstick(self) -> Yardstick:
        """The score that its contestants are compared by."""
        return self.field.yardstick

    @property
    def contestants(self) -> list[Contestant]:
        """Best first."""
        return self.field.contestants

    @property
    def ways(self) -> list[str]:
        """How its contestants are evaluated, e.g. sampled; several if their neurons differ."""
        return list(
            dict.fromkeys(self.yardstick.way_of(run) for c in self.contestants for run in c.runs)
        )

    @cached_property
    def digits(self) -> int:
        """Number of decimals to show its scores with."""
        return decimals(c.finite for c in self.contestants)

    def pair(self, better: Contestant, worse: Contestant) -> Pair:
        """The pair of these two."""
        return next(p for p in self.pairs if p.better is better and p.worse is worse)


def contests(
    table: RunTable, wanted: Wanted | None = None, by: Sequence[str] | None = None
) -> list[Contest]:
    """One contest per field of the table; Holm's correction is over the pairs of all of them.

    Raises ValueError as fields does.
    """
    all_fields = fields(table, wanted, by)
    pairs = [
        (number, better, worse)
        for number, field in enumerate(all_fields)
        for better, worse in combinations(field.contestants, 2)
    ]
    differences = compare_pairs(
        [_columns(better, worse, all_fields[number].yardstick) for number, better, worse in pairs]
    )
    pairs_of: list[list[Pair]] = [[] for _ in all_fields]
    for (number, better, worse), difference in zip(pairs, differences, strict=True):
        pairs_of[number].append(Pair(better, worse, difference))
    return [Contest(field, own) for field, own in zip(all_fields, pairs_of, strict=True)]


def _columns(a: Contestant, b: Contestant, measure: Yardstick) -> tuple[list[float], list[float]]:
    """Scores of both over their shared seeds, with the sign that makes larger better."""
    shared = [seed for seed in a.values if seed in b.values]
    first, second = ([measure.sign * c.values[seed] for seed in shared] for c in (a, b))
    return first, second
