"""Everything that a report says; each file in render/ says it in its own form."""

from collections.abc import Sequence
from dataclasses import dataclass

from bnrun.report.compare.aggregate import AGGREGATES, Aggregate, aggregates, missing
from bnrun.report.compare.comparable import remarks
from bnrun.report.compare.contest import Contest, contests
from bnrun.report.compare.tuning import RULE
from bnrun.report.compare.verdict import METHOD, Verdict, verdicts
from bnrun.report.compare.yardstick import Wanted, yardstick
from bnrun.report.read.runs import FoundRuns
from bnrun.report.read.settings import RunTable, tabulate

INTERVALS = "± is half the 95 % t interval of the mean over the seeds whose score is finite."


@dataclass(frozen=True)
class Report:
    """The runs, what they are compared in, and what comes out of it.

    aggregates  contestants over all settings of a score
    notes       sentences on how the numbers were made and which runs are missing
    """

    table: RunTable
    contests: list[Contest]
    verdicts: list[Verdict]
    aggregates: list[Aggregate]
    notes: list[str]


def make_report(found: FoundRuns, wanted: Wanted | None, by: Sequence[str] | None) -> Report:
    """Compare the finished runs. Raises ValueError as contests does."""
    table = tabulate(found.runs)
    all_contests = contests(table, wanted, by)
    notes = [INTERVALS]
    if any(contest.pairs for contest in all_contests):
        notes.append(METHOD)
    if any(len(c.trials) > 1 for contest in all_contests for c in contest.contestants):
        notes.append(RULE)
    over_all = aggregates(all_contests)
    if over_all:
        notes.append(AGGREGATES)
    notes += [] if over_all else missing(all_contests)
    notes += [*_remarks(all_contests), *_not_compared(table, wanted), *_unfinished(found)]
    return Report(table, all_contests, verdicts(all_contests), over_all, notes)


def _remarks(contests: Sequence[Contest]) -> list[str]:
    """On ways of evaluating that are not the runs' own, and on runs that differ beside settings."""
    sentences = [f"{c.setting}: {c.ways_text}".removeprefix(": ") for c in contests if c.ways_text]
    sentences += [text for c in contests if len(c.contestants) > 1 for text in remarks(c.runs)]
    return list(dict.fromkeys(sentences))


def _not_compared(table: RunTable, wanted: Wanted | None) -> list[str]:
    return [
        f"not compared, because it does not have the score: {run.folder}"
        for run in table.runs
        if yardstick(run.result, wanted) is None
    ]


def _unfinished(found: FoundRuns) -> list[str]:
    return [
        f"unfinished: {folder}" + ("" if step is None else f", recorded up to step {step}")
        for folder, step in found.unfinished.items()
    ]
