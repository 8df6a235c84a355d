"""What is compared with what: contestants in pairs, in every setting, on shared seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from bnrun.recording.intervals import decimals
from bnrun.report.compare.field import Contestant, Field, fields
from bnrun.report.compare.power import Range, seeds_needed
from bnrun.report.compare.statistics import Difference, compare_pairs, differences
from bnrun.report.compare.yardstick import Wanted, Yardstick
from bnrun.report.read.runs import Run
from bnrun.report.read.scores import way_text
from bnrun.report.read.settings import RunTable


@dataclass(frozen=True)
class Pair:
    """Two contestants, first the one that is ahead over the seeds that both have.

    difference  better - worse, positive where the first is ahead, whichever sign is better
    needed      seeds that would show such a difference; None if unknown
    """

    better: Contestant
    worse: Contestant
    difference: Difference
    needed: Range | None

    def won_by(self, contestant: Contestant) -> bool:
        """Whether this contestant is ahead by more than noise."""
        return self.better is contestant and self.difference.significant


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
    def runs(self) -> list[Run]:
        """Runs of its contestants, without what was tried and not chosen."""
        return [run for contestant in self.contestants for run in contestant.runs]

    @property
    def ways_text(self) -> str:
        """Why its way of evaluating is not that of some neurons; "" if it is that of all."""
        own = {way_text(run.result["way"]) for run in self.runs}
        way = way_text(self.yardstick.way)
        if own == {way}:
            return ""
        ways = " or ".join(sorted(own))
        return f"the neurons' own way of evaluating is {ways}; all are compared {way}"

    @cached_property
    def digits(self) -> int:
        """Number of decimals to show its scores with."""
        return decimals(c.finite for c in self.contestants)

    def pair(self, one: Contestant, other: Contestant) -> Pair:
        """The pair of these two."""
        return next(p for p in self.pairs if {id(p.better), id(p.worse)} == {id(one), id(other)})


def contests(
    table: RunTable, wanted: Wanted | None = None, by: Sequence[str] | None = None
) -> list[Contest]:
    """One contest per field of the table; the pairs of all of them are tested together.

    Raises ValueError as fields does.
    """
    all_fields = fields(table, wanted, by)
    pairs = [
        (number, one, other)
        for number, field in enumerate(all_fields)
        for one, other in combinations(field.contestants, 2)
    ]
    scores = [
        (_signed(one, all_fields[number]), _signed(other, all_fields[number]))
        for number, one, other in pairs
    ]
    outcomes = zip(compare_pairs(scores), seeds_needed(differences(scores)), strict=True)
    pairs_of: list[list[Pair]] = [[] for _ in all_fields]
    for (number, one, other), (difference, needed) in zip(pairs, outcomes, strict=True):
        pair = (
            Pair(other, one, difference.reversed, needed)
            if difference.mean < 0
            else Pair(one, other, difference, needed)
        )
        pairs_of[number].append(pair)
    return [Contest(field, own) for field, own in zip(all_fields, pairs_of, strict=True)]


def by_yardstick(contests: Sequence[Contest]) -> dict[Yardstick, list[Contest]]:
    """The contests of each score, apart because scores of several kinds have no common scale."""
    groups: dict[Yardstick, list[Contest]] = {}
    for contest in contests:
        groups.setdefault(contest.yardstick, []).append(contest)
    return groups


def _signed(contestant: Contestant, field: Field) -> dict[int, float]:
    """Its scores, with the sign that makes larger better."""
    sign = field.yardstick.sign
    return {seed: sign * value for seed, value in contestant.values.items()}
