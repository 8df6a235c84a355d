"""Panels of what was recorded during training: the score, the loss, the quality of gradients."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from bnrun.recording.intervals import mean_interval
from bnrun.recording.tags import IN_USE, TOTAL, TRAINING_LOSS, Measured
from bnrun.report.compare.contest import Contest
from bnrun.report.render.history import History
from bnrun.report.render.panel import Array, Line, Panel

_GRADIENT = ("cosine", "bias", "variance")
"""Statistics of the measured gradients that have a panel."""


def curves(contest: Contest, histories: Mapping[str, History]) -> list[Panel]:
    """Every panel of a contest for which there are measurements."""
    panels = list(_score_panels(contest, histories))
    loss = [
        Line.over_seeds(label, *history.curves[TRAINING_LOSS])
        for label, history in histories.items()
        if TRAINING_LOSS in history.curves
    ]
    panels.append(Panel("Training loss", "updates", "loss", loss))
    panels += _gradient_panels(contest, histories)
    return [panel for panel in panels if panel.lines]


def _score_panels(contest: Contest, histories: Mapping[str, History]) -> Iterator[Panel]:
    scores = {
        c.label: histories[c.label].curves.get(contest.yardstick.name.tag)
        for c in contest.contestants
    }
    known = {label: score for label, score in scores.items() if score is not None}
    axes: list[tuple[str, Callable[[str, Array], Array | None]]] = [
        ("updates", lambda label, steps: steps),
        ("wall time in seconds", lambda label, steps: histories[label].seconds(steps)),
        ("downstream evaluations", lambda label, steps: _evaluations(histories[label], steps)),
    ]
    for name, axis in axes:
        lines = []
        for label, (steps, values) in known.items():
            x = axis(label, steps)
            if x is not None:
                lines.append(Line.over_seeds(label, x, values))
        title = f"{contest.yardstick.text} against {name}".replace(" in seconds", "")
        yield Panel(title[0].upper() + title[1:], name, contest.yardstick.measure, lines)


def _gradient_panels(contest: Contest, histories: Mapping[str, History]) -> Iterator[Panel]:
    """The estimator in use of every contestant; all measured ones if there is one contestant."""
    lines: dict[str, list[Line]] = {}
    scatter = []
    for contestant in contest.contestants:
        for tag, (steps, values) in histories[contestant.label].curves.items():
            measured = Measured.parse(tag)
            if not (measured and measured.place == TOTAL and measured.statistic in _GRADIENT):
                continue
            in_use = measured.estimator == IN_USE
            if in_use or len(contest.contestants) == 1:
                label = contestant.label if in_use else measured.estimator
                line = Line.over_seeds(label, steps, values)
                lines.setdefault(measured.statistic, []).append(line)
            if in_use and measured.statistic == "cosine" and contestant.finite:
                mean, half, _ = mean_interval(list(contestant.values.values()))
                x = np.array([np.nanmean(values)])
                y, h = np.array([float(mean)]), np.array([float(half)])
                scatter.append(Line(contestant.label, x, y, y - h, y + h))
    for statistic, group in lines.items():
        # Bias and variance differ by orders of magnitude. The estimates of a deterministic neuron
        # have no variance and cannot be on such an axis, but a bias of zero must stay visible.
        log = statistic == "variance" or (statistic == "bias" and all(map(_positive, group)))
        shown = [line for line in group if not log or _positive(line)]
        yield Panel(f"Gradient {statistic}", "updates", statistic, shown, log=log)
    title, score = f"{contest.yardstick.text} against gradient cosine", contest.yardstick.measure
    yield Panel(
        title[0].upper() + title[1:], "cosine, mean over training", score, scatter, points=True
    )


def _positive(line: Line) -> bool:
    return bool(np.nanmax(line.mean, initial=0.0) > 0)


def _evaluations(history: History, steps: Array) -> Array | None:
    return None if history.evaluations is None else steps * history.evaluations
