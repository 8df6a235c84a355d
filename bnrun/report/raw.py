"""Raw results of finished runs as a small CSV: one row per run, seed and split."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bnrun.files import replaced
from bnrun.recording.result import Result
from bnrun.report.comparison import compare
from bnrun.report.runs import Run, find_runs
from bnrun.report.scores import ScoreName, score_names

FACTS = ("seed", "split", "steps", "seconds", "diverged", "commit", "machine")
"""Columns between the settings and the scores; diverged is the step of it, or nothing."""


def collect(path: Path, folders: Sequence[Path]) -> int:
    """Write the results of all finished runs in `folders` to `path`, and tell how many rows.

    The first columns are the settings that tell the runs apart, then FACTS, then score/way.
    Raises ValueError if there is no finished run.
    """
    runs = find_runs(folders).runs
    if not runs:
        raise ValueError(f"{', '.join(map(str, folders))}: no finished run to collect from")
    ordered, columns = compare(runs)
    settings = [c for c in columns if c.title != "seeds" and not c.constant]
    names = score_names(run.result for run in ordered)
    scores = list(dict.fromkeys(f"{name.score}/{name.way}" for name in names))
    rows = [
        [*(column.cells[number] for column in settings), *row]
        for number, run in enumerate(ordered)
        for row in _rows(run, scores)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as file:
        head = [*(column.title for column in settings), *FACTS, *scores]
        file.write(_text([head, *rows]).encode())
    return len(rows)


def read_raw(path: Path) -> list[dict[str, str]]:
    """The rows of such a file, column -> cell. Raises ValueError if it is none."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not set(FACTS) <= rows[0].keys():
        raise ValueError(f"{path}: no raw results, make it with bnrun-report collect")
    return rows


def _rows(run: Run, scores: Sequence[str]) -> Iterator[list[str]]:
    result = run.result
    for split in result["scores"]:
        for place, seed in enumerate(result["seeds"]):
            facts = [seed, split, result["steps"], round(result["seconds"])]
            origin = [result["diverged"].get(seed, ""), (result["commit"] or "")[:7]]
            values = (_value(result, split, score, place) for score in scores)
            yield [str(cell) for cell in (*facts, *origin, _machine(result), *values)]


def _value(result: Result, split: str, score: str, place: int) -> str:
    name = ScoreName(split, *score.split("/", 1))
    values = result["scores"][split].get(name.score, {}).get(name.way)
    if values is None or not math.isfinite(values[place]):
        return ""
    return f"{values[place]:.6g}"


def _machine(result: Result) -> str:
    receipt: Any = dict(result).get("receipt") or {}
    hardware = receipt.get("hardware") or {}
    if not hardware:
        return ""
    return hardware.get("cuda") or f"{hardware['processor']} x {hardware['threads']}"


def _text(rows: Iterable[Sequence[str]]) -> str:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(rows)
    return target.getvalue()
