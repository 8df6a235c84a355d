"""A panel as SVG for the page: small, in the page's own colours, readable by the page's script.

The plot is a group of 4000 by 2500 units, ten to a pixel. data-x and data-y hold the values at its
ends, and "log" if an axis is logarithmic, so that the script can turn places into values. A line is
a path of means, and its band a path of the high ends and back over the low ends.
"""

import html
import math
from collections.abc import Sequence

import numpy as np

from bnrun.recording.escape import visible
from bnrun.report.render.panel import Array, Line, Panel
from bnrun.report.render.style import Style

_WIDE, _HIGH = 4000, 2500
_MOST_POINTS = 60
"""Points of a curve: at 400 pixels, more would only make the page larger."""

_DASHES = {"-": "", "--": "70 35", ":": "16 28", "-.": "70 30 16 30"}

_MOST_VALUES = 16
"""Values on a logarithmic axis up to which they are ticks; beyond, ticks are powers of ten."""


def chart(panel: Panel, style: Style) -> str:
    """The panel as an SVG element; its lines have the places of their labels in the style."""
    x = _Axis(*_range([line.x for line in panel.lines], panel.log_x), panel.log_x, _WIDE)
    y = _Axis(*panel.vertical(), panel.log, _HIGH)
    place = {label: number for number, label in enumerate(style)}
    parts = [_grid(panel, x, y), _plot_start(x, y)]
    for line in panel.lines:
        name = html.escape(visible(line.label))
        drawn = _points if panel.points or len(line.x) == 1 else _curve
        body = drawn(_thinned(line), x, y, *style[line.label])
        parts.append(f'<g data-c="{place[line.label]}"><title>{name}</title>{body}</g>')
    title = html.escape(visible(panel.title))
    return (
        f'<svg class="chart" role="img" aria-label="{title}" viewBox="0 0 460 300">'
        f"{''.join(parts)}</g></svg>"
    )


class _Axis:
    """From values to places 0 .. length."""

    def __init__(self, low: float, high: float, log: bool, length: int) -> None:
        self.low, self.high, self.log, self.length = low, high, log, length
        self._from, self._to = self._scale(low), self._scale(high)

    def __call__(self, values: Array) -> Array:
        # Bands that leave the plot, or are not positive on a logarithmic axis, end at its edge.
        place = (self._scaled(values) - self._from) / (self._to - self._from)
        return np.clip(np.nan_to_num(place, nan=0.0), 0.0, 1.0) * self.length

    def _scaled(self, values: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log10(values) if self.log else values

    def _scale(self, value: float) -> float:
        return math.log10(value) if self.log else value

    @property
    def text(self) -> str:
        """For the script: the values at both ends, and the kind of scale."""
        return f"{self.low:.9g} {self.high:.9g}{' log' if self.log else ''}"

    def ticks(self, values: Sequence[float] = ()) -> list[float]:
        """Some six round numbers; of a logarithmic axis `values` if few, or powers of ten."""
        if not self.log:
            step = _round_up((self.high - self.low) / 6)
            first = math.ceil(self.low / step - 1e-9)
            return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]
        if 0 < len(values) <= _MOST_VALUES:
            return list(values[:: math.ceil(len(values) / 8)])
        powers = range(math.ceil(self._from), math.floor(self._to) + 1)
        if len(powers) > 1:
            return [10.0**n for n in powers[:: math.ceil(len(powers) / 6)]]
        step = (self._to - self._from) / 4
        return [float(f"{10 ** (self._from + n * step):.1g}") for n in range(1, 4)]


def _round_up(step: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = float(10.0 ** math.floor(math.log10(step)))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= step * (1 - 1e-9))


def _range(values: Sequence[Array], log: bool) -> tuple[float, float]:
    known = np.concatenate(values)
    known = known[np.isfinite(known) & ((known > 0) | (not log))]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.1, 1.0)
    if low < high:
        return low, high
    return (low / 2, low * 2) if log else (low - 0.5, low + 0.5)


def _grid(panel: Panel, x: _Axis, y: _Axis) -> str:
    values = sorted({float(v) for line in panel.lines for v in line.x}) if panel.log_x else []
    parts = []
    for tick in y.ticks():
        at = 8 + 250 - _place(y, tick) / 10
        parts.append(f'<path d="M52 {at:.1f}h400"/><text x="47" y="{at + 4:.1f}">{tick:.6g}</text>')
    for tick in x.ticks(values):
        at = 52 + _place(x, tick) / 10
        parts.append(
            f'<path d="M{at:.1f} 8v250"/><text x="{at:.1f}" y="273" class="x">{tick:.6g}</text>'
        )
    label = html.escape(visible(panel.xlabel))
    return f'<g class="grid">{"".join(parts)}<text x="252" y="292" class="x">{label}</text></g>'


def _place(axis: _Axis, value: float) -> float:
    return float(axis(np.array([value]))[0])


def _plot_start(x: _Axis, y: _Axis) -> str:
    return (
        f'<g class="plot" transform="translate(52 8) scale(.1)" data-x="{x.text}" '
        f'data-y="{y.text}">'
    )


def _thinned(line: Line) -> Line:
    """With at most _MOST_POINTS points, evenly taken, and the last one."""
    if len(line.x) <= _MOST_POINTS:
        return line
    kept = np.unique(np.linspace(0, len(line.x) - 1, _MOST_POINTS).round().astype(int))
    return Line(line.label, line.x[kept], line.mean[kept], line.low[kept], line.high[kept])


def _curve(line: Line, x: _Axis, y: _Axis, colour: str, dash: str) -> str:
    dashes = f' stroke-dasharray="{_DASHES[dash]}"' if _DASHES[dash] else ""
    band = ""
    if np.isfinite(line.low).any():
        # Where a single seed is finite, the band has no width.
        low, high = (np.where(np.isfinite(e), e, line.mean) for e in (line.low, line.high))
        right = x(line.x)
        d = _path(np.concatenate([right, right[::-1]]), np.concatenate([y(high), y(low)[::-1]]))
        band = f'<path class="band" fill="{colour}" d="{d}z"/>'
    return (
        f'{band}<path class="line" stroke="{colour}"{dashes} d="{_path(x(line.x), y(line.mean))}"/>'
    )


def _points(line: Line, x: _Axis, y: _Axis, colour: str, _dash: str) -> str:
    parts = []
    for at, mean, low, high in zip(x(line.x), y(line.mean), y(line.low), y(line.high), strict=True):
        if not math.isnan(line.low[0]):
            d = f"M{at:.0f} {_HIGH - low:.0f}V{_HIGH - high:.0f}"
            parts.append(f'<path class="line" stroke="{colour}" d="{d}"/>')
        parts.append(f'<circle fill="{colour}" cx="{at:.0f}" cy="{_HIGH - mean:.0f}" r="45"/>')
    return "".join(parts)


def _path(x: Array, y: Array) -> str:
    """From the first point, then by steps, in whole units: a tenth of a pixel."""
    places = np.stack([x, _HIGH - y], axis=1).round().astype(int)
    steps = np.diff(places, axis=0)
    first = f"M{places[0, 0]} {places[0, 1]}"
    return first + "".join(f"l{a} {b}" for a, b in steps.tolist())
