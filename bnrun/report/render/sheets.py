"""Final scores and pairs as CSV, every number in a column of its own."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from bnrun.recording.intervals import mean_interval
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.statistics import seeds_needed

FINAL = (
    *("setting", "contestant", "chosen on validation", "score", "mean", "half", "seeds"),
    *("diverged", "seconds"),
)

PAIRS = (
    *("setting", "score", "better", "worse", "difference", "low", "high", "p", "p (Holm)"),
    *("P(better)", "seeds", "diverged", "seeds needed", "differs"),
)


def write_final(contests: Sequence[Contest], path: Path) -> None:
    """A row per contestant: mean of its final scores and half its 95 % interval over seeds."""
    _write(path, FINAL, (row for contest in contests for row in _final(contest)))


def write_pairs(contests: Sequence[Contest], path: Path) -> None:
    """A row per pair, with the difference's 95 % bootstrap interval low .. high.

    A difference is positive where the first is better, also of scores of which less is better.
    Empty cells are numbers that are not known.
    """
    number = sum(len(contest.pairs) for contest in contests)
    _write(path, PAIRS, (row for contest in contests for row in _pairs(contest, number)))


def _final(contest: Contest) -> Iterable[Sequence[object]]:
    for c in contest.contestants:
        mean, half, _ = mean_interval(list(c.values.values()))
        scores = (contest.yardstick.text, float(mean), float(half))
        counts = (len(c.values), c.diverged, round(c.seconds, 3))
        yield (contest.setting, c.label, c.tuned, *scores, *counts)


def _pairs(contest: Contest, number: int) -> Iterable[Sequence[object]]:
    for pair in contest.pairs:
        told = pair.told
        needed = (
            seeds_needed(told.mean, told.deviation, number) if told.number > 1 else None
        ) or ""
        names = (contest.setting, contest.yardstick.text, pair.better.label, pair.worse.label)
        values = (told.mean, told.low, told.high, told.p, told.adjusted, told.improvement)
        yield (*names, *values, told.number, told.lost, needed, told.significant)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if cell != cell else cell for cell in row] for row in rows)
