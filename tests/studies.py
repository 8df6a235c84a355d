"""Studies of made-up runs, written straight to disk, and the contests of their report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnrun.recording.metrics import MetricsFile
from bnrun.recording.result import write_result
from bnrun.report.compare.contest import Contest, contests
from bnrun.report.compare.yardstick import Wanted
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate


def finish(
    folder: str,
    test: Sequence[float],
    estimator: str = "st",
    neuron: str = "sbn",
    lr: float = 0.1,
    validation: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
    score: str = "accuracy",
    diverged: dict[int, int] | None = None,
    larger: bool = True,
    way: str | None = None,
    **settings: Any,
) -> Path:
    """A finished run in study/; `settings` belong to its estimator."""
    place = Path("study", folder)
    place.mkdir(parents=True)
    seeds = list(seeds or range(len(test)))
    ways = ("thresholded", "sampled")
    write_result(
        place,
        {
            "seeds": seeds,
            "scores": {
                "test": {score: {way: list(test) for way in ways}},
                "validation": {score: {way: list(validation or test) for way in ways}},
            },
            "goal": {"score": score, "way": way, "larger_is_better": larger},
            "diverged": diverged or {},
            "steps": 20,
            "seconds": 2.0,
            "config": {
                "name": "study",
                "seeds": len(seeds),
                "neuron": {"_target_": neuron},
                "estimator": {"_target_": estimator, **settings},
                "optimizer": {"lr": lr},
                "choices": {"neuron": neuron, "estimator": estimator, "optimizer": "sgd"},
            },
            "versions": {"torch": "2.13.0"},
            "commit": "abc",
            "data": {},
        },
    )
    return place


def change(place: Path, **values: Any) -> None:
    """Change values of a run's result; in `config`, "__" in a key stands for a dot."""
    result = json.loads((place / "result.json").read_text())
    for key, value in values.items():
        *parents, last = key.split("__")
        node = result
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    write_result(place, result)


def record(place: Path, tags: dict[str, list[list[float]]], seeds: int) -> None:
    """History of a run: tag -> one row of seeds per point."""
    file = MetricsFile(place, list(range(seeds)))
    for point in range(max(map(len, tags.values()))):
        values = {tag: rows[point] for tag, rows in tags.items() if point < len(rows)}
        file.append(10 * point, point, 0.5 * point, values)
    file.close()


def compared(wanted: Wanted | None = None, by: Sequence[str] | None = None) -> list[Contest]:
    return contests(tabulate(find_runs([Path("study")]).runs), wanted, by)


def far(offset: float, number: int = 10) -> list[float]:
    return [round(0.5 + offset + 0.001 * (seed % 3), 6) for seed in range(number)]
