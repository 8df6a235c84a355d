"""The report in the terminal."""

from collections.abc import Sequence
from itertools import chain

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bnrun.config.count import number_of
from bnrun.recording.escape import visible
from bnrun.report.compare.aggregate import AGGREGATES
from bnrun.report.compare.overall import clear_pairs, headline_of_all
from bnrun.report.compare.report import Report
from bnrun.report.compare.tuning import RULE
from bnrun.report.compare.verdict import METHOD
from bnrun.report.read.column import Column
from bnrun.report.read.settings import RunTable
from bnrun.report.render.aggregate_columns import aggregate_columns, aggregate_title
from bnrun.report.render.contest_columns import final_columns, pair_columns
from bnrun.report.render.run_columns import RunColumns
from bnrun.report.render.tables import rich_table

_LISTED = 60
"""Pairs that the terminal shows; the files have all of them."""

_NARROW = ("difference", "p", "verdict")
"""Columns of the table of pairs that fit into 80 columns, beside two names and a setting."""


def print_report(report: Report, console: Console) -> None:
    """Print the verdicts, the tables of contestants, pairs and runs, and the notes."""
    if len(report.verdicts) > 1:
        lines = [headline_of_all(report.verdicts), *clear_pairs(report.contests)]
        console.print(Text("\n- ".join(map(visible, lines)), style="bold"), "")
    for verdict in report.verdicts:
        if verdict.kind == "alone":
            continue
        console.print(Text(visible(verdict.headline), style="bold"))
        console.print(Text(visible(verdict.detail)), "")
    if any(contest.pairs for contest in report.contests):
        console.print("Final scores", rich_table(*final_columns(report.contests)), "", sep="\n")
        _print_pairs(report, console)
    for aggregate in report.aggregates:
        title = Text(visible(aggregate_title(aggregate)))
        console.print(title, rich_table(*aggregate_columns(aggregate)), "", sep="\n")
    console.print("Runs")
    _print_runs(report.table, console)
    for note in report.notes:
        # Notes that name a path are not wrapped, so that the path can be copied.
        console.print(Text(visible(note)), soft_wrap=note not in (METHOD, RULE, AGGREGATES))


def _print_pairs(report: Report, console: Console) -> None:
    """Print the table of pairs, with fewer columns if the terminal is too narrow for all."""
    words, numbers = map(_first, pair_columns(report.contests))
    table, title = rich_table(words, numbers), "Pairs"
    if not _fits(table, console):
        table = rich_table(words, [c for c in numbers if c.title in _NARROW], tight=True)
        title = "Pairs (report-pairs.csv has more columns)"
    console.print(title, table, sep="\n")
    rest = sum(len(contest.pairs) for contest in report.contests) - _LISTED
    console.print(f"and {number_of(rest, 'more pair')}, see report-pairs.csv\n" if rest > 0 else "")


def _fits(table: Table, console: Console) -> bool:
    return table.__rich_measure__(console, console.options).maximum <= console.width


def _first(columns: Sequence[Column]) -> list[Column]:
    return [Column(column.title, column.cells[:_LISTED]) for column in columns]


def _print_runs(table: RunTable, console: Console) -> None:
    """Print the table of runs, as several tables if the terminal is too narrow for one."""
    columns = RunColumns(table)
    whole = rich_table(columns.words, [*chain(*columns.scores.values()), columns.seconds])
    if _fits(whole, console):
        console.print(whole)
    else:
        for block in columns.scores.values():
            console.print(rich_table(columns.identity, block), "")
        console.print(rich_table(columns.words, [columns.seconds]))
    console.print("", Text(visible(f"In all runs: {columns.caption}")), sep="\n")
