"""Runs, seeds, final scores, pairs and aggregates as CSV, one number per cell."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from bnrun.recording.escape import csv_cell
from bnrun.recording.files import write_text
from bnrun.recording.intervals import mean_interval
from bnrun.report.compare.aggregate import Aggregate
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.field import Contestant
from bnrun.report.compare.seeds import spread
from bnrun.report.read.scores import score_names, values_of
from bnrun.report.read.settings import RunTable
from bnrun.report.render.contest_columns import verdict_of

FINAL = (
    *("setting", "contestant", "chosen on validation", "score", "mean", "half", "median"),
    *("worst", "worst seed", "seeds", "diverged", "seconds"),
)

SEEDS = ("setting", "contestant", "split", "score", "way", "seed", "value", "diverged")

PAIRS = (
    *("setting", "score", "better", "worse", "difference", "low", "high", "p", "p (alone)"),
    *("P(better)", "seeds", "diverged", "seeds needed", "at most", "verdict"),
)

AGGREGATES = (
    *("score", "scale", "settings", "contestant", "iqm", "low", "high"),
    *("P(leader better)", "P low", "P high"),
)


def write_runs(table: RunTable, path: Path) -> None:
    """A row per run: every setting, and every score as its mean and half its 95 % interval."""
    scores = ["/".join(name) for name in table.score_names]
    header = [
        "run",
        *(column.title for column in table.settings),
        *(title for score in scores for title in (score, f"{score}/half")),
        *("diverged", "steps", "seconds"),
    ]
    _write(path, header, _runs(table))


def write_final(contests: Sequence[Contest], path: Path) -> None:
    """A row per contestant: its final score over seeds, as a mean and half its 95 % interval.

    The median and the worst score are empty where that seed diverged, because a diverged seed is
    worse than any number.
    """
    _write(path, FINAL, (row for contest in contests for row in _final(contest)))


def write_seeds(contests: Sequence[Contest], path: Path) -> None:
    """A row per contestant, score and seed; the value is empty if the seed diverged.

    `diverged` is the step at which it did. The seeds are those of the final scores.
    """
    _write(
        path,
        SEEDS,
        (
            row
            for contest in contests
            for c in contest.contestants
            for row in _seeds(contest.setting, c)
        ),
    )


def write_aggregates(aggregates: Sequence[Aggregate], path: Path) -> None:
    """A row per contestant over all settings of a score; `settings` is their number."""
    _write(path, AGGREGATES, (row for aggregate in aggregates for row in _over_all(aggregate)))


def write_pairs(contests: Sequence[Contest], path: Path) -> None:
    """A row per pair, with the interval low .. high and p of the test over all pairs.

    "p (alone)" is that of the pair by itself, without correction. A difference is positive where
    the first is better, even if less of the score is better. A cell is empty if its number is
    unknown, or, for "at most", above 1000.
    """
    _write(path, PAIRS, (row for contest in contests for row in _pairs(contest)))


def _runs(table: RunTable) -> Iterable[Sequence[object]]:
    names = table.score_names
    for number, run in enumerate(table.runs):
        intervals = [mean_interval(values_of(run.result, name)) for name in names]
        yield [
            run.folder,
            *(column.cells[number] for column in table.settings),
            *(float(x) for interval in intervals for x in (interval.mean, interval.half)),
            len(run.result["diverged"]),
            run.result["steps"],
            run.result["seconds"],
        ]


def _final(contest: Contest) -> Iterable[Sequence[object]]:
    for c in contest.contestants:
        mean, half, _ = mean_interval(list(c.values.values()))
        scores = (contest.yardstick.text, float(mean), float(half))
        seeds = spread(c.values, contest.yardstick.sign)
        counts = (len(c.values), c.diverged, round(c.seconds, 3))
        yield (contest.setting, c.label, c.tuned, *scores, *seeds, *counts)


def _seeds(setting: str, contestant: Contestant) -> Iterable[Sequence[object]]:
    written = set()
    for run in contestant.runs:
        result = run.result
        for name in score_names([result]):
            for seed, value in zip(result["seeds"], values_of(result, name), strict=False):
                # Of runs that share a seed, the first counts, as in the final scores.
                if seed in contestant.values and (name, seed) not in written:
                    written.add((name, seed))
                    step = result["diverged"].get(seed)
                    yield (setting, contestant.label, *name, seed, value, step)


def _over_all(aggregate: Aggregate) -> Iterable[Sequence[object]]:
    for member in aggregate.members:
        names = (aggregate.score, aggregate.scale, len(aggregate.settings), member.label)
        yield (*names, *member.iqm, *(member.behind or (None, None, None)))


def _pairs(contest: Contest) -> Iterable[Sequence[object]]:
    for pair in contest.pairs:
        d = pair.difference
        needed = (None, None) if pair.needed is None or d.survivors else pair.needed
        names = (contest.setting, contest.yardstick.text, pair.better.label, pair.worse.label)
        values = (d.mean, d.low, d.high, d.adjusted, d.p, d.improvement)
        yield (*names, *values, d.number, d.diverged, *needed, verdict_of(pair))


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(cell) for cell in row] for row in (header, *rows))
    write_text(path, text.getvalue())


def _cell(cell: object) -> object:
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else ""
    return csv_cell(str(cell)) if isinstance(cell, str | Path) else cell
