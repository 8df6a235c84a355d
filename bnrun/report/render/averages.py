"""Panels of a gradient study: error and cosine against averaged draws and against their cost."""

from collections.abc import Iterator, Mapping

import numpy as np

from bnrun.recording.tags import IN_USE, TOTAL, Measured, measured_evaluations, parse_averaged
from bnrun.report.compare.contest import Contest
from bnrun.report.render.history import History
from bnrun.report.render.panel import Array, Line, Panel

_STATISTICS = {"relative_rmse": "Relative RMSE", "cosine": "Cosine with the reference"}
_AXES = ("averaged draws", "downstream evaluations")

# Label, number of draws, evaluations of a draw, values [R].
_Point = tuple[str, int, float, Array]


def averages(contest: Contest, histories: Mapping[str, History]) -> Iterator[Panel]:
    """Four panels for each contestant and measurement, if its runs logged gradients.averages.

    The page shows those of the last measurement.
    """
    for contestant in contest.contestants:
        choices = contestant.runs[0].result["config"]["choices"]
        points = _points(histories[contestant.label], str(choices.get("estimator", IN_USE)))
        whose = f"{contestant.label}: " if len(contest.contestants) > 1 else ""
        steps = sorted({step for step, _ in points})
        for step in steps:
            for statistic, name in _STATISTICS.items():
                for axis in _AXES:
                    yield Panel(
                        f"{whose}{name} against {axis}, step {step}",
                        axis,
                        name,
                        _lines(points[step, statistic], axis),
                        log=statistic != "cosine",
                        log_x=True,
                        on_page=step == steps[-1],
                    )


def _points(history: History, in_use: str) -> dict[tuple[int, str], list[_Point]]:
    """Step and statistic -> points; `in_use` is the name of the estimator that trains the net."""
    points: dict[tuple[int, str], list[_Point]] = {}
    for tag, (steps, values) in history.curves.items():
        measured = Measured.parse(tag)
        average = measured and measured.place == TOTAL and parse_averaged(measured.statistic)
        if not (measured and average) or average[0] not in _STATISTICS:
            continue
        cost = measured_evaluations(measured.group, measured.estimator)
        if measured.estimator == IN_USE:
            if measured_evaluations(measured.group, in_use) in history.curves:
                continue  # It was also measured under its own name.
            label = in_use
        else:
            label = measured.estimator
        statistic, draws = average
        evaluations = float(np.nanmean(history.curves[cost][1]))
        for step, row in zip(steps, values, strict=True):
            point = (label, draws, evaluations, row)
            points.setdefault((int(step), statistic), []).append(point)
    return points


def _lines(points: list[_Point], axis: str) -> list[Line]:
    lines = []
    for label in dict.fromkeys(point[0] for point in points):
        own = sorted((draws, cost, row) for name, draws, cost, row in points if name == label)
        x = [draws * (cost if axis == "downstream evaluations" else 1.0) for draws, cost, _ in own]
        rows = [row for _, _, row in own]
        lines.append(Line.over_seeds(label, np.array(x), np.stack(rows)))
    return lines
