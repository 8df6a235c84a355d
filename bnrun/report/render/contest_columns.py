"""What tables show of contests: a row per contestant, or a row per pair."""

from collections.abc import Sequence

from bnrun.recording.intervals import interval_text
from bnrun.report.compare.contest import Contest, Pair
from bnrun.report.compare.power import fewest_seeds, seeds_needed
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
    cells = tuple(interval_text(list(c.values.values()), contest.digits) for contest, c in rows)
    scores = {contest.yardstick.text for contest, _ in rows}
    if len(scores) > 1:
        words.insert(1, Column("score", tuple(contest.yardstick.text for contest, _ in rows)))
    numbers = [
        Column(scores.pop() if len(scores) == 1 else "value", cells),
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
        Column("p (Holm)", tuple(p_text(d.adjusted) for d in differences)),
        Column("P(better)", tuple(f"{d.improvement:.2f}" for d in differences)),
        Column("seeds", tuple(str(d.number) for d in differences)),
        Column("seeds needed", tuple(_seeds_needed(pair, len(rows)) for _, pair in rows)),
        Column("verdict", tuple(_verdict(pair, len(rows)) for _, pair in rows)),
    ]
    return [column for column in words if any(column.cells)], numbers


def _seeds_needed(pair: Pair, pairs: int) -> str:
    difference = pair.difference
    if difference.number < 2:
        return ""
    number = seeds_needed(difference.mean, difference.deviation, pairs)
    return "> 1000" if number is None else str(number)


def _verdict(pair: Pair, pairs: int) -> str:
    if pair.difference.significant:
        return "differs"
    return "too few seeds" if pair.difference.number < fewest_seeds(pairs) else "may be noise"
