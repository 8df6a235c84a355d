"""Contestants over several settings of one score, one number for each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnrun.report.compare.bootstrap import (
    DRAWS,
    Estimate,
    Sample,
    improvement,
    interquartile_mean,
    profile,
)
from bnrun.report.compare.contest import Contest, by_yardstick
from bnrun.report.compare.field import Contestant
from bnrun.report.compare.statistics import Array
from bnrun.report.compare.yardstick import settled
from bnrun.report.read.scores import way_text

_ALIKE = ("accuracy",)
"""Scores that mean the same in every setting; others are normalised."""

_THRESHOLDS = 101

AGGREGATES = (
    "Over settings, as in Agarwal et al. (2021): the interquartile mean is the mean of the middle "
    "half of all seeds of all settings; a performance profile is the share of them above each "
    "score; P(leader better) is the probability that a random seed of the first beats a random one "
    "of this contestant, averaged over settings. A seed that diverged is worse than any number. "
    f"Intervals are 95 % percentile intervals of {DRAWS:,} bootstrap samples, which draw the seeds "
    "of each setting with replacement. They show what other seeds would change in the same "
    "settings. They do not cover other settings, they are not corrected for the number of "
    "contestants, and with few seeds they are too narrow: with 5 seeds in 2 settings of normal "
    "scores they hold the true value in 91 % of studies, with 10 seeds in 93 %. Verdicts do not "
    "use them."
)


@dataclass(frozen=True)
class Member:
    """One contestant over all settings.

    iqm      interquartile mean
    behind   probability that the leader is better; None for the leader
    profile  share of seeds above each threshold, and the ends of its interval
    """

    label: str
    iqm: Estimate
    behind: Estimate | None
    profile: tuple[Array, Array, Array]


@dataclass(frozen=True)
class Aggregate:
    """All contestants over the settings of one score.

    score       e.g. test accuracy sampled
    settings    over which the numbers are
    scale       of the numbers, in words
    left_out    contestants that lack one of these settings
    thresholds  of the profiles
    members     best first
    """

    score: str
    settings: list[str]
    scale: str
    left_out: list[str]
    thresholds: Array
    members: list[Member]


def aggregates(contests: Sequence[Contest]) -> list[Aggregate]:
    """One for each score that several contestants have in several settings."""
    chosen = [_shared(group) for group in by_yardstick(contests).values()]
    return [_aggregate(same, labels) for same, labels in chosen if len(same) > 1 < len(labels)]


def missing(contests: Sequence[Contest]) -> list[str]:
    """How to have a score over several settings, if it was judged in another way in each.

    The neuron's own way differs between a DBN and an SBN; their numbers have no common scale.
    """
    groups: dict[tuple[str, str], list[Contest]] = {}
    for contest in contests:
        groups.setdefault(contest.yardstick[:2], []).append(contest)
    return [text for same in groups.values() if (text := _missing(same))]


def _missing(contests: Sequence[Contest]) -> str:
    measures = dict.fromkeys(contest.yardstick for contest in contests)
    shared, labels = _shared(contests)
    if len(measures) == 1 or min(len(shared), len(labels)) < 2:
        return ""
    measure = contests[0].yardstick
    try:
        same = settled(measure._replace(way=""), [run for c in shared for run in c.runs])
    except ValueError:
        return ""  # They have no way in common.
    ways = " and ".join(way_text(other.way) for other in measures)
    return (
        f"no {measure.split} {measure.score} over all settings, because {ways} are not compared "
        f"with each other: --score {'/'.join(same.name)} judges every run in one way"
    )


def _shared(contests: Sequence[Contest]) -> tuple[list[Contest], list[str]]:
    """Settings and contestants such that every contestant is in every setting.

    The settings with all contestants if these are several, otherwise all settings with the
    contestants that are in each of them.
    """
    present = [{c.label for c in contest.contestants} for contest in contests]
    everyone = set().union(*present)
    complete = [c for c, labels in zip(contests, present, strict=True) if labels == everyone]
    if len(complete) > 1:
        return complete, sorted(everyone)
    return list(contests), sorted(everyone.intersection(*present))


def _aggregate(contests: Sequence[Contest], labels: Sequence[str]) -> Aggregate:
    measure = contests[0].yardstick
    alike = measure.score in _ALIKE and measure.larger
    rows = [_scores(contest, labels, alike) for contest in contests]
    rng = np.random.default_rng(0)
    samples = {label: Sample.draw([row[label] for row in rows], rng) for label in labels}
    known = np.concatenate([row[np.isfinite(row)] for s in samples.values() for row in s.values])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    thresholds = np.linspace(low, high, _THRESHOLDS)
    means = {label: interquartile_mean(sample) for label, sample in samples.items()}
    order = sorted(labels, key=lambda label: -means[label].value)
    leader = samples[order[0]]
    everyone = {c.label for contest in contests for c in contest.contestants}
    return Aggregate(
        measure.text,
        [contest.setting for contest in contests],
        f"{measure.score} as it is" if alike else "0 is the worst seed of its setting, 1 the best",
        sorted(everyone.difference(labels)),
        thresholds,
        [
            Member(
                label,
                means[label],
                None if label == order[0] else improvement(leader, samples[label]),
                profile(samples[label], thresholds),
            )
            for label in order
        ],
    )


def _scores(contest: Contest, labels: Sequence[str], alike: bool) -> dict[str, Array]:
    """Label -> scores [seeds], larger is better, -inf for a seed that diverged."""
    contestants: list[Contestant] = [c for c in contest.contestants if c.label in labels]
    sign = contest.yardstick.sign
    finite = [sign * value for c in contestants for value in c.finite]
    least = min(finite, default=0.0)
    size = max(finite, default=0.0) - least

    def scaled(value: float) -> float:
        if not math.isfinite(value):
            return -math.inf
        if alike:
            return value
        return (sign * value - least) / size if size > 0 else 0.5

    return {c.label: np.array([scaled(v) for v in c.values.values()]) for c in contestants}
