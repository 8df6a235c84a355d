"""What contestants recorded during training."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from bnrun.recording.history import read_metrics, read_times
from bnrun.recording.metrics import METRICS
from bnrun.recording.tags import (
    IN_USE,
    MEASURED,
    TRAINING_LOSS,
    measured_evaluations,
    measured_group,
)
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.field import Contestant
from bnrun.report.read.runs import Run
from bnrun.report.render.panel import Array


@dataclass(frozen=True)
class History:
    """Curves of one contestant, over the seeds of all its runs.

    curves       tag -> steps [T] and values [T, R]
    seconds      steps -> wall time at each of them, of its first run
    evaluations  downstream evaluations per update; None if unknown
    """

    curves: dict[str, tuple[Array, Array]]
    seconds: Callable[[Array], Array]
    evaluations: float | None


def histories(contest: Contest, damaged: list[str]) -> dict[str, History]:
    """Label of each contestant -> its training loss, score and measured gradients.

    A run whose history is missing is left out; if it is damaged, `damaged` gets a sentence.
    """
    return {c.label: _history(contest, c, damaged) for c in contest.contestants}


def _history(contest: Contest, contestant: Contestant, damaged: list[str]) -> History:
    drawn = (
        (pl.col("tag") == TRAINING_LOSS)
        | (pl.col("tag") == contest.yardstick.name.tag)
        | pl.col("tag").str.starts_with(MEASURED)
    )
    frames: list[pl.DataFrame] = []
    clock: Callable[[Array], Array] = _no_clock
    for run in contestant.runs:
        # A result without its history still belongs in the tables.
        if not (run.folder / METRICS).exists():
            continue
        try:
            frame = read_metrics(run.folder).filter(
                drawn, pl.col("seed").is_in(run.result["seeds"])
            )
            if not frames:
                clock = _clock(run)
        except (ValueError, OSError) as error:
            damaged.append(str(error))
            continue
        frames.append(frame)
    if not frames:
        return History({}, _no_clock, None)
    frame = pl.concat(frames).unique(["tag", "step", "seed"], keep="first", maintain_order=True)
    curves = dict(_curves(frame))
    evaluations = contestant.runs[0].result.get("evaluations")
    cost = curves.get(measured_evaluations(measured_group(deterministic=False), IN_USE))
    if cost is not None:
        evaluations = float(np.nanmean(cost[1]))
    return History(curves, clock, evaluations)


def _curves(frame: pl.DataFrame) -> Iterator[tuple[str, tuple[Array, Array]]]:
    for (tag,), rows in frame.group_by("tag", maintain_order=True):
        wide = rows.pivot("seed", index="step", values="value").sort("step")
        steps = wide["step"].to_numpy().astype(np.float64)
        yield str(tag), (steps, wide.drop("step").to_numpy().astype(np.float64))


def _clock(run: Run) -> Callable[[Array], Array]:
    times = read_times(run.folder)
    steps, seconds = times["step"].to_numpy(), times["seconds"].to_numpy()
    return lambda at: np.interp(at, steps, seconds) if len(steps) else _no_clock(at)


def _no_clock(steps: Array) -> Array:
    return np.full_like(steps, math.nan)
