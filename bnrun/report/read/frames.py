"""Finished runs as polars frames: scores and curves, with the settings in which they differ."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import polars as pl

from bnrun.config.run_id import NAMED
from bnrun.recording.history import read_metrics
from bnrun.report.read.column import Column
from bnrun.report.read.runs import Run, find_runs, finished
from bnrun.report.read.scores import score_names
from bnrun.report.read.settings import ABSENT, tabulate

_SCORES = {
    "run": pl.String,
    "seed": pl.Int64,
    "split": pl.String,
    "score": pl.String,
    "way": pl.String,
    "value": pl.Float64,
    "diverged": pl.Int64,
}


@dataclass(frozen=True, repr=False)
class FinishedRun(Run):
    """A finished run: its `folder`, its `result` as in result.json, its scores and curves."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    @property
    def scores(self) -> pl.DataFrame:
        """As Runs.scores."""
        return Runs([self]).scores

    def curves(self, tag: str | Sequence[str] | None = None) -> pl.DataFrame:
        """As Runs.curves."""
        return Runs([self]).curves(tag)


class Runs(Sequence[FinishedRun]):
    """Finished runs, a sequence, and what they recorded as frames of one row per value.

    In both frames `run` is the run's folder, followed by neuron, estimator, dataset and model and
    by every other setting in which the runs differ. Settings that are numbers are numbers; a
    setting that a run does not have is null.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = tuple(FinishedRun(run.folder, run.result, run.overridden) for run in runs)

    @overload
    def __getitem__(self, index: int) -> FinishedRun: ...
    @overload
    def __getitem__(self, index: slice) -> "Runs": ...
    def __getitem__(self, index: int | slice) -> "FinishedRun | Runs":
        return Runs(self._runs[index]) if isinstance(index, slice) else self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(map(str, self._folders))})"

    @cached_property
    def scores(self) -> pl.DataFrame:
        """Final scores: run, settings, seed, split, score, way, value, diverged.

        value is NaN if it is not finite; diverged the step at which the seed diverged, else null.
        """
        rows = [row for run in self._runs for row in _score_rows(run)]
        return self._with_settings(pl.DataFrame(rows, _SCORES, orient="row"))

    def curves(self, tag: str | Sequence[str] | None = None) -> pl.DataFrame:
        """Recorded curves: run, settings, step, epoch, seed, tag, value.

        tag  one or several of `tags`; None for all. A run that lacks one has no rows of it

        Raises ValueError if no run has a curve of that name, or if a history cannot be read.
        """
        wanted = [tag] if isinstance(tag, str) else tag
        frames = []
        for run in self._runs:
            frame = read_metrics(run.folder)
            if wanted is not None:
                frame = frame.filter(pl.col("tag").is_in(list(wanted)))
            frames.append(frame.select(pl.lit(str(run.folder)).alias("run"), pl.all()))
        if not frames:
            raise ValueError("there are no runs, so there are no curves")
        curves = pl.concat(frames)
        for name in wanted or ():
            if name not in curves["tag"]:
                raise ValueError(self._unknown(name))
        return self._with_settings(curves)

    @cached_property
    def tags(self) -> list[str]:
        """The names of all curves, in order of first appearance."""
        histories = (
            read_metrics(folder)["tag"].unique(maintain_order=True) for folder in self._folders
        )
        return list(dict.fromkeys(tag for history in histories for tag in history))

    @property
    def _folders(self) -> list[Path]:
        return [run.folder for run in self._runs]

    def _with_settings(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with columns of settings after its first column, the run."""
        joined = frame.join(self._settings, on="run", how="left", maintain_order="left")
        return joined.select(*self._settings.columns, *frame.columns[1:])

    @cached_property
    def _settings(self) -> pl.DataFrame:
        """One row per run: its folder, and the settings."""
        table = tabulate(self._runs)
        columns = [
            pl.Series(column.title, _values(column))
            for column in table.settings
            if column.title in NAMED or not (column.constant or column.title == "seeds")
        ]
        folders = [str(run.folder) for run in table.runs]
        return pl.DataFrame([pl.Series("run", folders, pl.String), *columns])

    def _unknown(self, tag: str) -> str:
        close = difflib.get_close_matches(tag, self.tags, n=5, cutoff=0.4)
        some = f"use one like {', '.join(close)}" if close else "use one of .tags"
        return f"{tag}: no run has a curve of that name, {some}"


def load_runs(*paths: str | Path) -> Runs:
    """The finished runs in some folders, sorted by their settings.

    paths  each the folder of a run, or one above several, like outputs/<name>

    Raises ValueError if a folder does not exist, holds no finished run, or has a result that
    cannot be read.
    """
    found = find_runs([Path(path) for path in paths])
    if found.broken:
        raise ValueError(found.broken[0])
    return Runs(tabulate(finished(found)).runs)


def _score_rows(run: Run) -> Iterator[tuple[object, ...]]:
    result = run.result
    for split, score, way in score_names([result]):
        values = result["scores"][split][score][way]
        for seed, value in zip(result["seeds"], values, strict=True):
            diverged = result["diverged"].get(seed)
            yield str(run.folder), seed, split, score, way, value, diverged


def _values(column: Column) -> list[object]:
    """The cells as numbers or truth values if all of them are, as words otherwise."""
    cells = [None if cell == ABSENT else cell for cell in column.cells]
    present = [cell for cell in cells if cell not in (None, "null")]
    if present and set(present) <= {"true", "false"}:
        return [None if cell in (None, "null") else cell == "true" for cell in cells]
    for kind in (int, float):
        try:
            return [None if cell in (None, "null") else kind(cell) for cell in cells]
        except ValueError:
            continue
    return list(cells)
