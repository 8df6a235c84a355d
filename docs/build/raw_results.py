"""The raw results of finished runs as a small CSV: one row per run, split and seed.

Two more values of the column `split` hold statistics: "units", those of the binary layers after
the last update; and "gradients", where gradients were measured, those of all binary layers
together, one row per measurement, seed and measured estimator.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bnrun.recording.files import replaced
from bnrun.recording.history import read_metrics
from bnrun.recording.metrics import METRICS
from bnrun.recording.result import Result
from bnrun.recording.tags import (
    EVALUATIONS,
    TOTAL,
    Measured,
    ScoreName,
    parse_measured_evaluations,
    parse_units,
)
from bnrun.report.read.runs import Run, find_runs
from bnrun.report.read.settings import tabulate

FACTS = ("seed", "split", "measured", "steps", "seconds", "diverged", "commit", "machine")
"""Columns between the settings and the scores. `diverged` is a step, or empty."""

GRADIENTS, UNITS = "gradients", "units"

Row = tuple[list[str], dict[str, str]]
"""The values of FACTS, and the other values by column."""


def collect(
    path: Path, folders: Sequence[Path], splits: Sequence[str] = (), curves: Sequence[str] = ()
) -> int:
    """Write the results of all finished runs in `folders` to `path`. Returns the number of rows.

    splits  to keep, e.g. validation, test, units, gradients; all if empty
    curves  scores, e.g. accuracy/sampled, to write for every step at which they were evaluated,
            in columns like accuracy/sampled@500

    The columns are the settings in which the runs differ, then FACTS, then score/way.
    Raises ValueError if there is no finished run.
    """
    runs = find_runs(folders).runs
    if not runs:
        raise ValueError(f"{', '.join(map(str, folders))}: no finished run to collect from")
    table = tabulate(runs)
    ordered = table.runs
    settings = [c for c in table.settings if c.title != "seeds" and not c.constant]
    collected = [
        [row for row in _rows(run, curves) if not splits or row[0][1] in splits] for run in ordered
    ]
    scores = list(
        dict.fromkeys(name for rows in collected for _, values in rows for name in values)
    )
    rows = [
        [*(column.cells[number] for column in settings), *facts]
        + [values.get(score, "") for score in scores]
        for number in range(len(ordered))
        for facts, values in collected[number]
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as file:
        head = [*(column.title for column in settings), *FACTS, *scores]
        file.write(_csv([head, *rows]).encode())
    return len(rows)


def read_raw(path: Path) -> list[dict[str, str]]:
    """The rows of such a CSV, column -> cell. Raises ValueError for another kind of file."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not set(FACTS) <= rows[0].keys():
        raise ValueError(f"{path}: not raw results; write them with docs/build/collect.py")
    return rows


def _rows(run: Run, curves: Sequence[str]) -> Iterator[Row]:
    yield from _scores(run, curves)
    yield from _units(run)
    yield from _gradients(run)


def _scores(run: Run, curves: Sequence[str]) -> Iterator[Row]:
    """The final scores of each split and seed, by score/way."""
    histories = _histories(run, curves)
    for split, scores in run.result["scores"].items():
        for place, seed in enumerate(run.result["seeds"]):
            values = {
                f"{score}/{way}": _text(row[place])
                for score, ways in scores.items()
                for way, row in ways.items()
            }
            yield _facts(run.result, seed, split), values | histories.get((split, seed), {})


def _histories(run: Run, curves: Sequence[str]) -> dict[tuple[str, int], dict[str, str]]:
    """(split, seed) -> values by score/way@step."""
    histories: dict[tuple[str, int], dict[str, str]] = {}
    if not curves:
        return histories
    metrics = read_metrics(run.folder).select("step", "seed", "tag", "value").sort("step")
    for step, seed, tag, value in metrics.iter_rows():
        name = ScoreName.parse(tag)
        if name is not None and f"{name.score}/{name.way}" in curves:
            column = f"{name.score}/{name.way}@{step}"
            histories.setdefault((name.split, seed), {})[column] = _text(value)
    return histories


def _gradients(run: Run) -> Iterator[Row]:
    """The statistics of measured gradients, for each measurement, seed and estimator."""
    if run.result["config"].get("gradients", {}).get("every") is None:
        return
    metrics = read_metrics(run.folder)
    columns = {tag: column for tag in metrics["tag"].unique() if (column := _measured(tag))}
    measured: dict[tuple[int, int, str], dict[str, str]] = {}
    for step, seed, tag, value in metrics.select("step", "seed", "tag", "value").iter_rows():
        if tag in columns:
            estimator, name = columns[tag]
            measured.setdefault((step, seed, estimator), {})[name] = _text(value)
    for (step, seed, estimator), values in sorted(measured.items()):
        yield _facts(run.result, seed, GRADIENTS, estimator, step), values


def _measured(tag: str) -> tuple[str, str] | None:
    """The estimator and the column of a measured curve that goes into the results."""
    statistic = Measured.parse(tag)
    if statistic is not None and statistic.place == TOTAL:
        return statistic.estimator, f"{TOTAL}/{statistic.statistic}"
    estimator = parse_measured_evaluations(tag)
    return None if estimator is None else (estimator, EVALUATIONS)


def _units(run: Run) -> Iterator[Row]:
    """Statistics like layer1/firing_rate after the last update, for each seed."""
    if not (run.folder / METRICS).exists():
        return
    last = read_metrics(run.folder).filter(step=run.result["steps"])
    units: dict[int, dict[str, str]] = {}
    for seed, tag, value in last.select("seed", "tag", "value").iter_rows():
        statistic = parse_units(tag)
        if statistic is not None:
            units.setdefault(seed, {})[statistic] = _text(value)
    for seed, values in units.items():
        yield _facts(run.result, seed, UNITS), values


def _facts(
    result: Result, seed: int, split: str, measured: str = "", step: int | None = None
) -> list[str]:
    facts = [seed, split, measured, result["steps"] if step is None else step]
    origin = [f"{result['seconds']:.3g}", result["diverged"].get(seed, "")]
    return [str(c) for c in (*facts, *origin, (result["commit"] or "")[:7], _machine(result))]


def _text(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _machine(result: Result) -> str:
    receipt: Any = dict(result).get("receipt") or {}
    hardware = receipt.get("hardware") or {}
    if not hardware:
        return ""
    return hardware.get("cuda") or f"{hardware['processor']}, {hardware['threads']} thread"


def _csv(rows: Iterable[Sequence[str]]) -> str:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(rows)
    return target.getvalue()
