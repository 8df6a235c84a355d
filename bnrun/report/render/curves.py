"""What runs measured on their way, as lines with bands over seeds."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bnrun.recording.intervals import mean_interval
from bnrun.recording.metrics import read_metrics, read_times
from bnrun.recording.tags import (
    IN_USE,
    MEASURED,
    TOTAL,
    TRAINING_LOSS,
    Measured,
    measured_evaluations,
    measured_group,
)
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.field import Contestant

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[np.float64]

_GRADIENT = ("cosine", "bias", "variance")
"""Statistics of the measured gradients that have a figure."""


@dataclass(frozen=True)
class Line:
    """A mean over seeds at the points x, with its 95 % interval low .. high (NaN for one seed)."""

    label: str
    x: Array
    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Panel:
    """Lines that share their axes; `log` and `log_x` say which are logarithmic.

    points  draws the marks alone
    """

    title: str
    xlabel: str
    ylabel: str
    lines: list[Line]
    log: bool = False
    log_x: bool = False
    points: bool = False


@dataclass(frozen=True)
class History:
    """Tag -> steps [T] and values [T, R] of a contestant, over the seeds of all its runs.

    seconds      wall time at each step, of its first run
    evaluations  downstream evaluations per update, None where they are not known
    """

    tags: dict[str, tuple[Array, Array]]
    seconds: Callable[[Array], Array]
    evaluations: float | None


def panels(contest: Contest) -> list[Panel]:
    """Every figure of a contest for which there are measurements."""
    histories = {c.label: _history(contest, c) for c in contest.contestants}
    found = list(_score_panels(contest, histories))
    loss = [
        _line(label, *history.tags[TRAINING_LOSS])
        for label, history in histories.items()
        if TRAINING_LOSS in history.tags
    ]
    found.append(Panel("Training loss", "updates", "loss", loss))
    found += _gradient_panels(contest, histories)
    return [panel for panel in found if panel.lines]


def _score_panels(contest: Contest, histories: dict[str, History]) -> Iterator[Panel]:
    curves = {
        c.label: histories[c.label].tags.get(contest.yardstick.tag_of(c.runs[0]))
        for c in contest.contestants
    }
    known = {label: curve for label, curve in curves.items() if curve is not None}
    axes: list[tuple[str, Callable[[str, Array], Array | None]]] = [
        ("updates", lambda label, steps: steps),
        ("wall time in seconds", lambda label, steps: histories[label].seconds(steps)),
        ("downstream evaluations", lambda label, steps: _evaluations(histories[label], steps)),
    ]
    for name, place in axes:
        lines = []
        for label, (steps, values) in known.items():
            x = place(label, steps)
            if x is not None:
                lines.append(_line(label, x, values))
        title = f"{contest.yardstick.text} against {name}".replace(" in seconds", "")
        yield Panel(title[0].upper() + title[1:], name, contest.yardstick.score, lines)


def _gradient_panels(contest: Contest, histories: dict[str, History]) -> Iterator[Panel]:
    """Curves of what trained each net; of every estimator measured where one net was trained."""
    lines: dict[str, list[Line]] = {}
    scatter = []
    for contestant in contest.contestants:
        for tag, (steps, values) in histories[contestant.label].tags.items():
            measured = Measured.parse(tag)
            if measured and measured.place == TOTAL and measured.statistic in _GRADIENT:
                name, statistic = measured.estimator, measured.statistic
                alone = len(contest.contestants) == 1
                if name == IN_USE or alone:
                    label = contestant.label if name == IN_USE else name
                    lines.setdefault(statistic, []).append(_line(label, steps, values))
                if name == IN_USE and statistic == "cosine" and contestant.finite:
                    mean, half, _ = mean_interval(list(contestant.values.values()))
                    x = np.array([np.nanmean(values)])
                    y, h = np.array([float(mean)]), np.array([float(half)])
                    scatter.append(Line(contestant.label, x, y, y - h, y + h))
    for statistic, found in lines.items():
        # Both differ by orders of magnitude. A deterministic neuron's estimates have no variance,
        # and no place on such an axis; that one has no bias is to be seen.
        log = statistic == "variance" or (statistic == "bias" and all(map(_positive, found)))
        shown = [line for line in found if not log or _positive(line)]
        yield Panel(f"Gradient {statistic}", "updates", statistic, shown, log=log)
    title, score = f"{contest.yardstick.text} against gradient cosine", contest.yardstick.score
    yield Panel(
        title[0].upper() + title[1:], "cosine, mean over training", score, scatter, points=True
    )


def _positive(line: Line) -> bool:
    return bool(np.nanmax(line.mean, initial=0.0) > 0)


def _history(contest: Contest, contestant: Contestant) -> History:
    import polars as pl

    wanted = (
        (pl.col("tag") == TRAINING_LOSS)
        | (pl.col("tag") == contest.yardstick.tag_of(contestant.runs[0]))
        | pl.col("tag").str.starts_with(MEASURED)
    )
    frames = []
    for run in contestant.runs:
        try:
            frames.append(read_metrics(run.folder).filter(wanted))
        except ValueError:
            continue  # A result without its history still has its place in the tables.
    if not frames:
        return History({}, lambda steps: np.full_like(steps, math.nan), None)
    frame = pl.concat(frames).unique(["tag", "step", "seed"], keep="first", maintain_order=True)
    tags = dict(_tables(frame))
    cost = tags.get(measured_evaluations(measured_group(deterministic=False), IN_USE))
    evaluations = contestant.runs[0].result.get("evaluations")
    if cost is not None:
        evaluations = float(np.nanmean(cost[1]))
    return History(tags, _clock(contestant), evaluations)


def _tables(frame: "pl.DataFrame") -> Iterator[tuple[str, tuple[Array, Array]]]:
    for (tag,), rows in frame.group_by("tag", maintain_order=True):
        wide = rows.pivot("seed", index="step", values="value").sort("step")
        steps = wide["step"].to_numpy().astype(np.float64)
        yield str(tag), (steps, wide.drop("step").to_numpy().astype(np.float64))


def _clock(contestant: Contestant) -> Callable[[Array], Array]:
    times = read_times(contestant.runs[0].folder)
    steps, seconds = times["step"].to_numpy(), times["seconds"].to_numpy()
    return lambda at: np.interp(at, steps, seconds) if len(steps) else np.full_like(at, math.nan)


def _evaluations(history: History, steps: Array) -> Array | None:
    return None if history.evaluations is None else steps * history.evaluations


def _line(label: str, x: Array, values: Array) -> Line:
    mean, half, number = mean_interval(values)
    shown = number > 0
    return Line(label, x[shown], mean[shown], (mean - half)[shown], (mean + half)[shown])
