"""The outcome of a contest in words: who wins, by how much, and whether that may be noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bnrun.config.count import number_of
from bnrun.report.compare.contest import Contest, Pair
from bnrun.report.compare.field import Contestant
from bnrun.report.compare.power import FEWEST
from bnrun.report.compare.statistics import ALPHA
from bnrun.report.compare.yardstick import Yardstick

METHOD = (
    "Contestants are compared in pairs on shared seeds, in one way of evaluating. Intervals and p "
    "belong to one test over all pairs of this report: the signs of each seed's differences are "
    "flipped in all pairs together (all patterns up to 16 seeds, 65,536 random ones above), and c "
    "is the 95 % quantile of the largest |t| (max-T of Westfall and Young). An interval is the "
    "mean ± c standard errors, a pair differs if its interval excludes 0, and p is step-down among "
    "the pairs that differ. It assumes that differences are symmetric about 0 where there is no "
    "effect; skewed ones are called different too often. A contestant that diverged on more seeds "
    "than another does not win, and such a pair is not tested. Seeds needed: to show a true "
    "difference in 80 % of studies, by simulation of this test, for the ends of the 80 % interval "
    "of the effect. P(better): probability that a random seed of the first beats a random seed of "
    "the second; a diverged seed loses."
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
        """The words, with the setting if there are several, and the score with its way."""
        setting = self.contest.setting
        words = f"{self.words} ({self.contest.yardstick.text})"
        return f"{setting}: {words}" if setting else words


def verdicts(contests: Sequence[Contest]) -> list[Verdict]:
    """One verdict per contest."""
    return [_verdict(contest) for contest in contests]


def _verdict(contest: Contest) -> Verdict:
    contestants = contest.contestants
    best = contestants[0]
    if len(contestants) == 1:
        return Verdict(contest, "alone", f"{best.label} alone", "Nothing to compare with.")
    rivals = [contest.pair(best, other) for other in contestants[1:]]
    clear = [pair for pair in rivals if pair.won_by(best)]
    equal = [
        other.label
        for other, pair in zip(contestants[1:], rivals, strict=True)
        if not pair.won_by(best)
    ]
    nearest = rivals[0]
    numbers = _numbers(contest) + _diverged(contestants)
    if equal and max(pair.difference.number for pair in rivals) < FEWEST:
        return Verdict(
            contest,
            "few",
            f"{best.label} is ahead, but there are too few seeds to tell",
            f"{numbers} With {number_of(nearest.difference.number, 'shared seed')}, no difference "
            f"can pass the test, however large: use {FEWEST} seeds or more.",
        )
    if not equal:
        by = f"{nearest.difference.mean:.{contest.digits}f}"
        return Verdict(
            contest, "win", f"{best.label} wins by {by}", f"{numbers} This is more than noise."
        )
    if not clear and nearest.difference.survivors:
        return Verdict(
            contest,
            "noise",
            f"no winner, because {nearest.better.label} is ahead but diverged more often",
            f"{numbers} {_needed(nearest)}",
        )
    if not clear:
        return Verdict(
            contest,
            "noise",
            "no clear winner, the differences may be noise",
            f"{numbers} {_needed(nearest)}",
        )
    return Verdict(
        contest,
        "lead",
        f"{best.label} leads, {listed(equal)} may be as good",
        f"{numbers} {_needed(nearest)} Clearly ahead of {clear[0].worse.label}, by "
        f"{difference_text(clear[0], contest.digits)}.",
    )


def _numbers(contest: Contest) -> str:
    """The best and the second of a contest, and the difference between them."""
    best, second = contest.contestants[:2]
    pair = contest.pair(best, second)
    digits, score, difference = contest.digits, score_text(contest.yardstick), pair.difference
    means = (
        f"{score[0].upper()}{score[1:]} {best.mean:.{digits}f} against {second.mean:.{digits}f} of "
        f"{second.label}"
    )
    if math.isnan(difference.mean):
        return f"{means}, but there is no seed that both have and on which neither diverged."
    # Over the seeds that both have, another one may be ahead than over all.
    ahead = "ahead" if pair.better is best else f"{second.label} is ahead"
    p = "" if math.isnan(difference.adjusted) else f", p = {p_text(difference.adjusted)}"
    return (
        f"{means}: {ahead} by {difference_text(pair, digits)} over "
        f"{number_of(difference.number, 'shared seed')}{p}."
    )


def score_text(yardstick: Yardstick) -> str:
    """E.g. test nll sampled (less is better)."""
    return yardstick.text + ("" if yardstick.larger else " (less is better)")


def _diverged(contestants: Sequence[Contestant]) -> str:
    counts = [f"{c.label} {c.diverged} of {len(c.values)}" for c in contestants if c.diverged]
    return f" Seeds that diverged: {', '.join(counts)}." if counts else ""


def _needed(pair: Pair) -> str:
    needed = pair.needed
    if pair.difference.survivors:
        return (
            f"{pair.better.label} is ahead of {pair.worse.label} only over the seeds that did not "
            f"diverge, and it diverged more often: that is not a win."
        )
    if pair.difference.number < FEWEST:
        return f"To compare them, use {FEWEST} or more seeds that both share."
    if needed is None or needed.low is None:
        return "No affordable number of seeds would show a difference this small."
    if needed.high is not None and needed.high <= pair.difference.number:
        return "More seeds may decide it."
    return f"To show a difference of this size, use {needed.text} seeds."


def difference_text(pair: Pair, digits: int) -> str:
    """E.g. 0.012 [0.008, 0.016], of which rounding never makes an end 0."""
    difference = pair.difference
    if math.isnan(difference.mean):
        return "an unknown amount"
    text = f"{difference.mean:.{digits}f}"
    if not math.isfinite(difference.low):
        return text
    ends = [_end_text(end, digits) for end in (difference.low, difference.high)]
    return f"{text} [{ends[0]}, {ends[1]}]"


def _end_text(end: float, digits: int) -> str:
    text = f"{end:.{digits}f}"
    return f"{end:.1e}" if end and math.isfinite(end) and float(text) == 0 else text


def p_text(p: float) -> str:
    """Two digits, more next to 5 %, without false precision below a ten-thousandth."""
    if p < 1e-4:
        return "< 0.0001"
    texts = [f"{p:.{digits}g}" for digits in range(2, 17)]
    return next((text for text in texts if (float(text) <= ALPHA) == (p <= ALPHA)), texts[-1])


def listed(names: Sequence[str]) -> str:
    """E.g. a, b and c; only their number if there are more than three."""
    if len(names) > 3:
        return f"{len(names)} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
