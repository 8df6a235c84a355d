"""The table of all runs side by side: for the terminal, as Markdown, as CSV."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bnrun.recording.intervals import mean_interval
from bnrun.recording.result import Result
from bnrun.recording.tags import ScoreName
from bnrun.report.read.comparison import compare
from bnrun.report.read.layout import Column, markdown_table, rich_table
from bnrun.report.read.runs import Run
from bnrun.report.read.scores import (
    decimals,
    interval_text,
    main_scores,
    score_names,
    shown_scores,
    values_of,
    way_text,
)


@dataclass(frozen=True)
class RunTable:
    """Runs in order, and what to show of them.

    settings  all settings worth a column
    names     all scores that a run has
    """

    runs: list[Run]
    settings: list[Column]
    names: list[ScoreName]

    @property
    def caption(self) -> str:
        """What is the same in all runs."""
        constant = [column for column in [*self.settings, self.diverged] if column.constant]
        return ", ".join(f"{column.title}={column.cells[0]}" for column in constant)

    @property
    def identity(self) -> list[Column]:
        """What tells one run from another; their folders where nothing else does."""
        columns = [column for column in self.settings if not column.constant]
        rows = {tuple(column.cells[number] for column in columns) for number in self._numbers}
        if len(rows) == len(self.runs):
            return columns
        return [*columns, Column("run", tuple(str(run.folder) for run in self.runs))]

    @cached_property
    def scores(self) -> dict[str, list[Column]]:
        """Split -> the scores to compare by, as means with intervals."""
        return self._columns(main_scores([run.result for run in self.runs]))

    @cached_property
    def all_scores(self) -> dict[str, list[Column]]:
        """Split -> every score, as means with intervals."""
        return self._columns(shown_scores(self.names))

    def _columns(self, names: Sequence[ScoreName]) -> dict[str, list[Column]]:
        values = {name: [values_of(run.result, name) for run in self.runs] for name in names}
        digits = {
            score: decimals(chain(*(values[name] for name in names if name.score == score)))
            for score in {name.score for name in names}
        }
        columns: dict[str, list[Column]] = {}
        for name in names:
            cells = tuple(interval_text(row, digits[name.score]) for row in values[name])
            title = f"{name.split} {name.score} {way_text(name.way)}"
            columns.setdefault(name.split, []).append(Column(title, cells))
        return columns

    @property
    def seconds(self) -> Column:
        """Wall time."""
        return Column("seconds", tuple(f"{run.result['seconds']:.1f}" for run in self.runs))

    @property
    def cost(self) -> list[Column]:
        """What training took; an update is of all seeds together, its evaluations are per seed."""
        results = [run.result for run in self.runs]
        evaluations = tuple(f"{r['evaluations']:g}" if "evaluations" in r else "" for r in results)
        milliseconds = tuple(
            f"{1e3 * r['seconds'] / r['steps']:.3g}" if r["steps"] else "" for r in results
        )
        return [
            Column("updates", tuple(str(r["steps"]) for r in results)),
            Column("evaluations per update", evaluations),
            Column("ms per update", milliseconds),
            self.seconds,
        ]

    @property
    def diverged(self) -> Column:
        """Seeds that diverged, each with its step."""
        return Column("diverged", tuple(_diverged(run.result) for run in self.runs))

    @property
    def words(self) -> list[Column]:
        """The identity, and the diverged seeds where runs differ in them."""
        return self.identity if self.diverged.constant else [*self.identity, self.diverged]

    @property
    def _numbers(self) -> range:
        return range(len(self.runs))


def tabulate(runs: Sequence[Run]) -> RunTable:
    """Put runs into order and find what to show."""
    ordered, settings = compare(runs)
    return RunTable(ordered, settings, score_names(run.result for run in ordered))


def print_table(table: RunTable, console: Console) -> None:
    """Print the table; in pieces, one below the other, where the terminal is too narrow."""
    whole = rich_table(table.words, [*chain(*table.scores.values()), table.seconds])
    if whole.__rich_measure__(console, console.options).maximum <= console.width:
        console.print(whole)
    else:
        for block in table.scores.values():
            console.print(rich_table(table.identity, block), "")
        console.print(rich_table(table.words, [table.seconds]))
    console.print("", Text(f"In all runs: {table.caption}"), sep="\n")


def markdown(table: RunTable) -> str:
    """The table in Markdown, with what is the same in all runs above it."""
    numbers = [*chain(*table.scores.values()), table.seconds]
    return f"In all runs: {table.caption}\n\n{markdown_table(table.words, numbers)}"


def write_csv(table: RunTable, path: Path) -> None:
    """Every setting, every score (mean, half its 95 % interval) as they are, a row per run."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        scores = ["/".join(name) for name in table.names]
        writer.writerow(
            [
                "run",
                *(column.title for column in table.settings),
                *(title for score in scores for title in (score, f"{score}/half")),
                "diverged",
                "steps",
                "seconds",
            ]
        )
        for number, run in enumerate(table.runs):
            intervals = [mean_interval(values_of(run.result, name)) for name in table.names]
            writer.writerow(
                [
                    run.folder,
                    *(column.cells[number] for column in table.settings),
                    *(_number(float(x)) for interval in intervals for x in interval[:2]),
                    len(run.result["diverged"]),
                    run.result["steps"],
                    run.result["seconds"],
                ]
            )


def _diverged(result: Result) -> str:
    """E.g. 1 of 5 (seed 3 at step 350)."""
    if not result["diverged"]:
        return "none"
    places = ", ".join(f"seed {seed} at step {step}" for seed, step in result["diverged"].items())
    return f"{len(result['diverged'])} of {len(result['seeds'])} ({places})"


def _number(value: float) -> str:
    return "" if value != value else repr(value)
