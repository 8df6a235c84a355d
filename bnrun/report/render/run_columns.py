"""What tables show of runs: a row per run, a column per setting and score."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from bnrun.recording.intervals import decimals, interval_text
from bnrun.recording.result import Result
from bnrun.recording.tags import ScoreName
from bnrun.report.read.column import Column
from bnrun.report.read.runs import Run
from bnrun.report.read.scores import main_scores, shown_scores, values_of, way_text
from bnrun.report.read.settings import RunTable


@dataclass(frozen=True)
class RunColumns:
    """Columns of text of a table of runs."""

    table: RunTable

    @property
    def caption(self) -> str:
        """What is the same in all runs."""
        constant = [column for column in [*self.table.settings, self.diverged] if column.constant]
        return ", ".join(f"{column.title}={column.cells[0]}" for column in constant)

    @property
    def identity(self) -> list[Column]:
        """Settings that distinguish the runs, and their folders if the settings do not."""
        columns = [column for column in self.table.settings if not column.constant]
        rows = {tuple(column.cells[n] for column in columns) for n in range(len(self._runs))}
        if len(rows) == len(self._runs):
            return columns
        return [*columns, Column("run", tuple(str(run.folder) for run in self._runs))]

    @property
    def words(self) -> list[Column]:
        """The identity, and the diverged seeds if runs differ in them."""
        return self.identity if self.diverged.constant else [*self.identity, self.diverged]

    @cached_property
    def scores(self) -> dict[str, list[Column]]:
        """Split -> the scores that are a goal, as means with intervals."""
        return self._columns(main_scores([run.result for run in self._runs]))

    @cached_property
    def all_scores(self) -> dict[str, list[Column]]:
        """Split -> every score, as means with intervals."""
        return self._columns(shown_scores(self.table.score_names))

    @property
    def seconds(self) -> Column:
        """Wall time."""
        return Column("seconds", tuple(f"{run.result['seconds']:.1f}" for run in self._runs))

    @property
    def cost(self) -> list[Column]:
        """Cost of training. An update is of all seeds together, evaluations are per seed."""
        results = [run.result for run in self._runs]
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
        return Column("diverged", tuple(_diverged(run.result) for run in self._runs))

    @property
    def _runs(self) -> list[Run]:
        return self.table.runs

    def _columns(self, names: Sequence[ScoreName]) -> dict[str, list[Column]]:
        values = {name: [values_of(run.result, name) for run in self._runs] for name in names}
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


def _diverged(result: Result) -> str:
    """E.g. 1 of 5 (seed 3 at step 350)."""
    if not result["diverged"]:
        return "none"
    steps = ", ".join(f"seed {seed} at step {step}" for seed, step in result["diverged"].items())
    return f"{len(result['diverged'])} of {len(result['seeds'])} ({steps})"
