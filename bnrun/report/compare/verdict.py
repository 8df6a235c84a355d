"""The outcome of a contest in words: who wins, by how much, and whether that may be noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bnrun.report.compare.contest import Contest, Pair
from bnrun.report.compare.field import Contestant
from bnrun.report.compare.power import fewest_seeds, seeds_needed
from bnrun.report.compare.yardstick import Yardstick

METHOD = (
    "Contestants are compared in pairs on shared seeds: mean difference with its 95 % percentile "
    "bootstrap interval; p from the exact sign-flip test (65,536 random flips above 16 seeds), "
    "after Holm's correction over all pairs of this report. Seeds needed: to show a true "
    "difference of this size in 80 % of studies. P(better): probability that a random seed of the "
    "first beats a random seed of the second; a diverged seed loses."
)


@dataclass(frozen=True)
class Verdict:
    """The outcome of one contest.

    kind    win: the best is ahead of all others; lead: of some of them; noise: of none;
            few: there are too few seeds to tell; alone: there is nothing to compare
    words   a short phrase
    detail  one or two sentences with the numbers
    """

    contest: Contest
    kind: Literal["win", "lead", "noise", "few", "alone"]
    words: str
    detail: str

    @property
    def headline(self) -> str:
        """The words, preceded by the setting if there are several."""
        setting = self.contest.setting
        return f"{setting}: {self.words}" if setting else self.words


def verdicts(contests: Sequence[Contest]) -> list[Verdict]:
    """One verdict per contest."""
    pairs = sum(len(contest.pairs) for contest in contests)
    return [_verdict(contest, pairs) for contest in contests]


def _verdict(contest: Contest, pairs: int) -> Verdict:
    """`pairs` is the number of pairs in the whole report, which all tests are corrected for."""
    contestants = contest.contestants
    best = contestants[0]
    if len(contestants) == 1:
        return Verdict(contest, "alone", f"{best.label} alone", "Nothing to compare with.")
    rivals = [contest.pair(best, other) for other in contestants[1:]]
    equal = [pair.worse.label for pair in rivals if not pair.difference.significant]
    nearest = rivals[0]
    numbers = _numbers(contest, nearest) + _diverged(contestants)
    fewest = fewest_seeds(pairs)
    if equal and max(pair.difference.number for pair in rivals) < fewest:
        return Verdict(
            contest,
            "few",
            f"{best.label} is ahead, but there are too few seeds to tell",
            f"{numbers} With {nearest.difference.number} shared seeds and {_count(pairs, 'pair')}, "
            f"no difference can pass the test, however large: use {fewest} seeds or more.",
        )
    if not equal:
        by = f"{nearest.difference.mean:.{contest.digits}f}"
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
    beaten = next(pair for pair in rivals if pair.difference.significant)
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
    difference = pair.difference
    return (
        f"{score[0].upper()}{score[1:]} {means[0]} against {means[1]} of {pair.worse.label}: "
        f"ahead by {difference_text(pair, digits)} over {_count(difference.number, 'shared seed')},"
        f" p = {p_text(difference.adjusted)}."
    )


def score_text(yardstick: Yardstick) -> str:
    """E.g. test nll (less is better)."""
    return yardstick.text + ("" if yardstick.larger else " (less is better)")


def _diverged(contestants: Sequence[Contestant]) -> str:
    counts = [f"{c.label} {c.diverged} of {len(c.values)}" for c in contestants if c.diverged]
    return f" Seeds that diverged: {', '.join(counts)}." if counts else ""


def _needed(pair: Pair, pairs: int) -> str:
    difference = pair.difference
    number = seeds_needed(difference.mean, difference.deviation, pairs)
    if number is None:
        return "No affordable number of seeds would show a difference this small."
    if number <= difference.number:
        return "More seeds may decide it."
    return f"To show a difference of this size, use about {number} seeds."


def difference_text(pair: Pair, digits: int) -> str:
    """E.g. 0.012 [0.008, 0.016]."""
    difference = pair.difference
    if math.isnan(difference.mean):
        return "an unknown amount"
    text = f"{difference.mean:.{digits}f}"
    if math.isnan(difference.low):
        return text
    return f"{text} [{difference.low:.{digits}f}, {difference.high:.{digits}f}]"


def p_text(p: float) -> str:
    """Two digits, without false precision below a ten-thousandth."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def listed(names: Sequence[str]) -> str:
    """E.g. a, b and c; only their number if there are more than three."""
    if len(names) > 3:
        return f"{len(names)} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
