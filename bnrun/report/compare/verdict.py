"""The outcome of a contest in words: who wins, by how much, whether that is noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bnrun.report.compare.contest import Contest, Pair
from bnrun.report.compare.field import Contestant
from bnrun.report.compare.statistics import fewest_seeds, seeds_needed
from bnrun.report.compare.yardstick import Yardstick
from bnrun.report.read.layout import Column
from bnrun.report.read.scores import interval_text

METHOD = (
    "Contestants are compared in pairs on shared seeds: mean difference with its 95 % percentile "
    "bootstrap interval; p from the exact sign-flip test (65,536 random flips above 16 seeds), "
    "after Holm's correction over all pairs of this report. Seeds needed: to see a true difference "
    "of this size in 80 % of studies. P(better): a random seed of the first beats one of the "
    "second; a diverged seed loses."
)


@dataclass(frozen=True)
class Verdict:
    """What to say of one contest.

    kind    win: one is ahead of all others; lead: it is ahead of some; noise: of none;
            few: there are too few seeds to tell; alone: there is nothing to compare
    words   a few
    detail  a sentence or two with the numbers
    """

    contest: Contest
    kind: Literal["win", "lead", "noise", "few", "alone"]
    words: str
    detail: str

    @property
    def headline(self) -> str:
        """The words, after the setting where there are several."""
        setting = self.contest.setting
        return f"{setting}: {self.words}" if setting else self.words


def judge(contests: Sequence[Contest]) -> list[Verdict]:
    """One verdict per contest."""
    pairs = sum(len(contest.pairs) for contest in contests)
    return [_judged(contest, pairs) for contest in contests]


def _judged(contest: Contest, pairs: int) -> Verdict:
    field = contest.contestants
    best = field[0]
    if len(field) == 1:
        return Verdict(contest, "alone", f"{best.label} alone", "Nothing to compare with.")
    rivals = [contest.pair(best, other) for other in field[1:]]
    equal = [pair.worse.label for pair in rivals if not pair.told.significant]
    nearest = rivals[0]
    numbers = _numbers(contest, nearest) + _losses(field)
    fewest = fewest_seeds(pairs)
    if equal and max(pair.told.number for pair in rivals) < fewest:
        return Verdict(
            contest,
            "few",
            f"{best.label} is ahead, but there are too few seeds to tell",
            f"{numbers} With {nearest.told.number} shared seeds and {_count(pairs, 'pair')} no "
            f"difference, however large, can pass the test: take {fewest} seeds or more.",
        )
    if not equal:
        by = f"{nearest.told.mean:.{contest.digits}f}"
        return Verdict(
            contest, "win", f"{best.label} wins by {by}", f"{numbers} This is more than noise."
        )
    if len(equal) == len(rivals):
        return Verdict(
            contest,
            "noise",
            "no clear winner, the differences may be noise",
            f"{numbers} {_needed(nearest, pairs)}",
        )
    beaten = next(pair for pair in rivals if pair.told.significant)
    return Verdict(
        contest,
        "lead",
        f"{best.label} leads, {listed(equal)} may be as good",
        f"{numbers} {_needed(nearest, pairs)} Clearly ahead of {beaten.worse.label}, by "
        f"{difference_text(beaten, contest.digits)}.",
    )


def _numbers(contest: Contest, pair: Pair) -> str:
    digits, score = contest.digits, score_text(contest.yardstick)
    means = [f"{c.mean:.{digits}f}" for c in (pair.better, pair.worse)]
    told = pair.told
    return (
        f"{score[0].upper()}{score[1:]} {means[0]} against {means[1]} of {pair.worse.label}: "
        f"ahead by {difference_text(pair, digits)} over {_count(told.number, 'shared seed')}, "
        f"p = {p_text(told.adjusted)}."
    )


def score_text(yardstick: Yardstick) -> str:
    """E.g. test nll (less is better)."""
    return yardstick.text + ("" if yardstick.larger else " (less is better)")


def _losses(field: Sequence[Contestant]) -> str:
    lost = [f"{c.label} {c.diverged} of {len(c.values)}" for c in field if c.diverged]
    return f" Seeds that diverged: {', '.join(lost)}." if lost else ""


def _needed(pair: Pair, pairs: int) -> str:
    number = seeds_needed(pair.told.mean, pair.told.deviation, pairs)
    if number is None:
        return "No affordable number of seeds would show a difference this small."
    if number <= pair.told.number:
        return "More seeds may decide it."
    return f"To see a difference of this size, take about {number} seeds."


def difference_text(pair: Pair, digits: int) -> str:
    """E.g. 0.012 [0.008, 0.016]."""
    told = pair.told
    if math.isnan(told.mean):
        return "an unknown amount"
    text = f"{told.mean:.{digits}f}"
    if math.isnan(told.low):
        return text
    return f"{text} [{told.low:.{digits}f}, {told.high:.{digits}f}]"


def p_text(p: float) -> str:
    """Two digits, and no false precision below a ten-thousandth."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def final_columns(contests: Sequence[Contest]) -> tuple[list[Column], list[Column]]:
    """Words and numbers of the table of contestants, best first."""
    rows = [(contest, c) for contest in contests for c in contest.contestants]
    words = [
        Column("setting", tuple(contest.setting for contest, _ in rows)),
        Column("contestant", tuple(c.label for _, c in rows)),
        Column("chosen on validation", tuple(c.tuned for _, c in rows)),
    ]
    cells = tuple(interval_text(list(c.values.values()), contest.digits) for contest, c in rows)
    names = {contest.yardstick.text for contest, _ in rows}
    if len(names) > 1:
        words.insert(1, Column("score", tuple(contest.yardstick.text for contest, _ in rows)))
    numbers = [
        Column(names.pop() if len(names) == 1 else "value", cells),
        Column("seeds", tuple(str(len(c.values)) for _, c in rows)),
        Column("diverged", tuple(str(c.diverged) for _, c in rows)),
        Column("seconds", tuple(f"{c.seconds:.1f}" for _, c in rows)),
    ]
    return [column for column in words if any(column.cells)], numbers


def pair_columns(contests: Sequence[Contest]) -> tuple[list[Column], list[Column]]:
    """Words and numbers of the table of pairs."""
    rows = [(contest, pair) for contest in contests for pair in contest.pairs]
    words = [
        Column("setting", tuple(contest.setting for contest, _ in rows)),
        Column("better", tuple(pair.better.label for _, pair in rows)),
        Column("worse", tuple(pair.worse.label for _, pair in rows)),
    ]
    numbers = [
        Column("difference", tuple(difference_text(p, c.digits) for c, p in rows)),
        Column("p (Holm)", tuple(p_text(pair.told.adjusted) for _, pair in rows)),
        Column("P(better)", tuple(f"{pair.told.improvement:.2f}" for _, pair in rows)),
        Column("seeds", tuple(str(pair.told.number) for _, pair in rows)),
        Column("seeds needed", tuple(_seeds_cell(pair, len(rows)) for _, pair in rows)),
        Column("verdict", tuple(_word(pair, len(rows)) for _, pair in rows)),
    ]
    return [column for column in words if any(column.cells)], numbers


def _seeds_cell(pair: Pair, pairs: int) -> str:
    if pair.told.number < 2:
        return ""
    number = seeds_needed(pair.told.mean, pair.told.deviation, pairs)
    return "> 1000" if number is None else str(number)


def _word(pair: Pair, pairs: int) -> str:
    if pair.told.significant:
        return "differs"
    return "too few seeds" if pair.told.number < fewest_seeds(pairs) else "may be noise"


def listed(names: Sequence[str]) -> str:
    """E.g. a, b and c; the number of more than three."""
    if len(names) > 3:
        return f"{len(names)} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
