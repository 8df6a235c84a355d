"""Raw results of finished runs as a small CSV: one row per run, seed and split.

Two more splits tell of the nets: "units", what the binary layers do at the end, one row per seed;
and "gradients" where they were measured, one row per measurement, seed and measured estimator: the
statistics of all binary layers together.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bnrun.recording.files import replaced
from bnrun.recording.metrics import METRICS, read_metrics
from bnrun.recording.result import Result
from bnrun.report.read.comparison import compare
from bnrun.report.read.runs import Run, find_runs

FACTS = ("seed", "split", "measured", "steps", "seconds", "diverged", "commit", "machine")
"""Columns between the settings and the scores; diverged is the step of it, or nothing."""

GRADIENTS, UNITS = "gradients", "units"
_MEASURED = re.compile(r"^gradients\w*/(?P<name>[^/]+)/(?P<column>total/\w+|evaluations)$")


def collect(
    path: Path, folders: Sequence[Path], splits: Sequence[str] = (), curves: Sequence[str] = ()
) -> int:
    """Write the results of all finished runs in `folders` to `path`, and tell how many rows.

    splits  to take, e.g. validation, test, units, gradients; none given means all
    curves  scores to take at every step at which they were evaluated, e.g. accuracy/sampled, in
            columns like accuracy/sampled@500

    The first columns are the settings that tell the runs apart, then FACTS, then score/way.
    Raises ValueError if there is no finished run.
    """
    runs = find_runs(folders).runs
    if not runs:
        raise ValueError(f"{', '.join(map(str, folders))}: no finished run to collect from")
    ordered, columns = compare(runs)
    settings = [c for c in columns if c.title != "seeds" and not c.constant]
    found = [
        [row for row in _rows(run, curves) if not splits or row[0][1] in splits] for run in ordered
    ]
    scores = list(dict.fromkeys(name for rows in found for _, values in rows for name in values))
    rows = [
        [*(column.cells[number] for column in settings), *facts]
        + [values.get(score, "") for score in scores]
        for number in range(len(ordered))
        for facts, values in found[number]
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as file:
        head = [*(column.title for column in settings), *FACTS, *scores]
        file.write(_csv([head, *rows]).encode())
    return len(rows)


def read_raw(path: Path) -> list[dict[str, str]]:
    """The rows of such a file, column -> cell. Raises ValueError if it is none."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not set(FACTS) <= rows[0].keys():
        raise ValueError(f"{path}: no raw results, make it with docs/build/publication.py collect")
    return rows


def _rows(run: Run, curves: Sequence[str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    yield from _scores(run, curves)
    yield from _units(run)
    yield from _gradients(run)


def _scores(run: Run, curves: Sequence[str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """FACTS and the values by score/way, for each split and seed."""
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
    """Split and seed -> values by score/way@step."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    if not curves:
        return found
    metrics = read_metrics(run.folder).select("step", "seed", "tag", "value").sort("step")
    for step, seed, tag, value in metrics.iter_rows():
        score, split, way = [*tag.split("/"), "", ""][:3]
        if f"{score}/{way}" in curves:
            found.setdefault((split, seed), {})[f"{score}/{way}@{step}"] = _text(value)
    return found


def _gradients(run: Run) -> Iterator[tuple[list[str], dict[str, str]]]:
    """FACTS and the statistics of a measured estimator, for each measurement and seed."""
    if run.result["config"].get("gradients", {}).get("every") is None:
        return
    metrics = read_metrics(run.folder)
    tags = {tag: match for tag in metrics["tag"].unique() if (match := _MEASURED.match(tag))}
    found: dict[tuple[int, int, str], dict[str, str]] = {}
    for step, seed, tag, value in metrics.select("step", "seed", "tag", "value").iter_rows():
        if tag in tags:
            key = (step, seed, tags[tag]["name"])
            found.setdefault(key, {})[tags[tag]["column"]] = _text(value)
    for (step, seed, name), values in sorted(found.items()):
        yield _facts(run.result, seed, GRADIENTS, name, step), values


def _units(run: Run) -> Iterator[tuple[list[str], dict[str, str]]]:
    """FACTS and statistics like layer1/firing_rate after the last update, for each seed."""
    if not (run.folder / METRICS).exists():
        return
    last = read_metrics(run.folder).filter(step=run.result["steps"])
    found: dict[int, dict[str, str]] = {}
    for seed, tag, value in last.select("seed", "tag", "value").iter_rows():
        if tag.startswith("units/"):
            found.setdefault(seed, {})[tag.removeprefix("units/")] = _text(value)
    for seed, values in found.items():
        yield _facts(run.result, seed, UNITS), values


def _facts(
    result: Result, seed: int, split: str, measured: str = "", step: int | None = None
) -> list[str]:
    facts = [seed, split, measured, result["steps"] if step is None else step]
    origin = [round(result["seconds"]), result["diverged"].get(seed, "")]
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
