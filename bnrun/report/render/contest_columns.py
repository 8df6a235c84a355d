"""What tables show of contests: a row per contestant, or a row per pair."""

import math
from collections.abc import Sequence

from bnrun.recording.intervals import interval_text
from bnrun.report.compare.contest import Contest, Pair
from bnrun.report.compare.field import Contestant
from bnrun.report.compare.power import FEWEST
from bnrun.report.compare.seeds import spread
from bnrun.report.compare.verdict import difference_text, p_text
from bnrun.report.read.column import Column


def final_columns(contests: Sequence[Contest]) -> tuple[list[Column], list[Column]]:
    """Words and numbers of the table of contestants, best first."""
    rows = [(contest, c) for contest in contests for c in contest.contestants]
    words = [
        Column("setting", tuple(contest.setting for contest, _ in rows)),
        Column("contestant", tuple(c.label for _, c in rows)),
        Column("chosen on validation", tuple(c.tuned for _, c in rows)),
    ]
    numbers = [
        *_score_columns(rows),
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
    differences = [pair.difference for _, pair in rows]
    numbers = [
        Column("difference", tuple(difference_text(p, c.digits) for c, p in rows)),
        Column("p", tuple(_p(d.adjusted) for d in differences)),
        Column("P(better)", tuple(f"{d.improvement:.2f}" for d in differences)),
        Column("seeds", tuple(str(d.number) for d in differences)),
        Column("seeds needed", tuple(_needed(pair) for _, pair in rows)),
        Column("verdict", tuple(verdict_of(pair) for _, pair in rows)),
    ]
    return [column for column in words if any(column.cells)], numbers


def seed_columns(contests: Sequence[Contest]) -> list[Column]:
    """Median and worst seed of each contestant, in the order of final_columns."""
    spreads = [
        (spread(c.values, contest.yardstick.sign), contest.digits)
        for contest in contests
        for c in contest.contestants
    ]
    worst = tuple(f"{_number(s.worst, digits)} ({s.worst_seed})" for s, digits in spreads)
    return [
        Column("median", tuple(_number(s.median, digits) for s, digits in spreads)),
        Column("worst (seed)", worst),
    ]


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "diverged"


def _score_columns(rows: Sequence[tuple[Contest, Contestant]]) -> list[Column]:
    """One column per score and way of evaluating, so that no column has scores of two kinds."""
    return [
        Column(
            score,
            tuple(
                interval_text(list(c.values.values()), contest.digits)
                if contest.yardstick.text == score
                else ""
                for contest, c in rows
            ),
        )
        for score in dict.fromkeys(contest.yardstick.text for contest, _ in rows)
    ]


def _p(p: float) -> str:
    return "" if math.isnan(p) else p_text(p)


def _needed(pair: Pair) -> str:
    return pair.needed.text if pair.needed and not pair.difference.survivors else ""


def verdict_of(pair: Pair) -> str:
    """In two or three words."""
    if pair.difference.survivors:
        return "diverged more often"
    if pair.difference.significant:
        return "differs"
    return "too few seeds" if pair.difference.number < FEWEST else "may be noise"
