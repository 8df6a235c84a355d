"""One card of the page per contest: its contestants on a common scale, with all seeds."""

import math
from dataclasses import dataclass

from bnrun.config.count import number_of
from bnrun.recording.intervals import interval_text, mean_interval
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.field import Contestant
from bnrun.report.compare.seeds import spread
from bnrun.report.render.style import Style


@dataclass(frozen=True)
class Mark:
    """Something on the scale of a card: its place in percent, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """The final score of one contestant.

    contestant  whose score it is
    text        mean ± half the interval
    more        what stands below its label: what was chosen, how many seeds diverged
    low, width  of the interval, in percent of the scale
    mean        None if every seed diverged
    seeds       that did not diverge
    """

    contestant: Contestant
    text: str
    more: list[str]
    colour: str
    low: float
    width: float
    mean: Mark | None
    seeds: list[Mark]


def bars(contest: Contest, style: Style) -> list[Bar]:
    """The ends of the scale are the lowest and the highest seed or end of an interval."""
    intervals = [mean_interval(list(c.values.values())) for c in contest.contestants]
    halves = [float(i.half) if math.isfinite(i.half) else 0.0 for i in intervals]
    means = [float(interval.mean) for interval in intervals]
    edges = [m + s * h for m, h in zip(means, halves, strict=True) for s in (-1, 1)]
    edges += [value for c in contest.contestants for value in c.finite]
    known = [edge for edge in edges if math.isfinite(edge)] or [0.0]
    least, span = min(known), (max(known) - min(known)) or 1.0

    def place(value: float) -> float:
        return 100 * (value - least) / span

    return [
        Bar(
            c,
            text := interval_text(list(c.values.values()), contest.digits),
            _more(c),
            style[c.label][0],
            place(mean - half) if c.finite else 0.0,
            100 * 2 * half / span if c.finite else 0.0,
            Mark(place(mean), f"{c.label}: {text}, {_ends(c, contest)}") if c.finite else None,
            [
                Mark(place(value), f"seed {seed}: {value:.{contest.digits}f}")
                for seed, value in c.values.items()
                if math.isfinite(value)
            ],
        )
        for c, mean, half in zip(contest.contestants, means, halves, strict=True)
    ]


def _more(contestant: Contestant) -> list[str]:
    lines = [contestant.tuned] if contestant.tuned else []
    if contestant.diverged:
        seeds = number_of(len(contestant.values), "seed")
        lines.append(f"{contestant.diverged} of {seeds} diverged")
    return lines


def _ends(contestant: Contestant, contest: Contest) -> str:
    median, worst, seed = spread(contestant.values, contest.yardstick.sign)
    words = [
        f"{value:.{contest.digits}f}" if math.isfinite(value) else "diverged"
        for value in (median, worst)
    ]
    return f"median seed {words[0]}, worst {words[1]} (seed {seed})"
