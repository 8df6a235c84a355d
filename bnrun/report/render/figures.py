"""Panels as files for a paper: PNG, SVG and PDF in the width of a column."""

import math
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnrun.recording.escape import mathtext
from bnrun.report.render.panel import Line, Panel
from bnrun.report.render.style import Style

WIDTH = 3.25
"""Inches: a column of two-column papers; font sizes are for this width."""

_HEIGHT = 2.4
_LEGEND_ROW = 0.16

# Values on a logarithmic axis up to which they are ticks; beyond, ticks are powers of ten.
_MOST_VALUES = 16

_LOOK: Any = {
    "font.size": 8,
    "legend.fontsize": 7,
    "svg.hashsalt": "bnrun",  # The same panel always gives the same file.
    "pdf.fonttype": 42,  # TrueType, which publishers ask for.
}
_METADATA = {"png": None, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def save(panel: Panel, style: Style, stem: Path) -> list[Path]:
    """Write the panel, with title and legend, as PNG, SVG and PDF; returns their paths."""
    written = [stem.with_name(f"{stem.name}.{ending}") for ending in _METADATA]
    with mpl.rc_context(_LOOK), _any_script():
        drawn = figure(panel, style)
        for path, metadata in zip(written, _METADATA.values(), strict=True):
            drawn.savefig(path, dpi=300, metadata=metadata)
    return written


def figure(panel: Panel, style: Style) -> Figure:
    """The panel, with its legend inside if it has few lines and below the axes otherwise."""
    below = len(panel.lines) > 4
    longest = max((len(line.label) for line in panel.lines), default=0)
    columns = max(1, 56 // (longest + 6))
    rows = math.ceil(len(panel.lines) / columns) if below else 0
    drawn = Figure(figsize=(WIDTH, _HEIGHT + _LEGEND_ROW * rows), layout="constrained")
    axes = drawn.add_subplot()
    for line in panel.lines:
        _draw(axes, line, *style[line.label], points=panel.points)
    axes.set(xlabel=mathtext(panel.xlabel), ylabel=mathtext(panel.ylabel))
    drawn.suptitle("\n".join(map(mathtext, textwrap.wrap(panel.title, 50))), fontsize=8)
    _scale(axes, panel)
    axes.grid(visible=True, alpha=0.18, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if below:
        drawn.legend(frameon=False, loc="outside lower center", ncols=columns)
    else:
        axes.legend(frameon=False)
    return drawn


def _scale(axes: Axes, panel: Panel) -> None:
    if panel.log:
        axes.set_yscale("log")
    elif panel.lines:
        axes.set_ylim(*panel.vertical())
    if panel.log_x:
        axes.set_xscale("log")
        values = sorted({float(x) for line in panel.lines for x in line.x})
        if len(values) <= _MOST_VALUES:
            # Label the values themselves, such as the learning rates that were tried; 6 fit.
            values = values[:: math.ceil(len(values) / 6)]
            axes.set_xticks(values, [f"{x:g}" for x in values])
            axes.set_xticks([], minor=True)


def _draw(axes: Axes, line: Line, colour: str, dash: str, points: bool) -> None:
    if points or len(line.x) == 1:
        spread = [line.mean - line.low, line.high - line.mean]
        label = mathtext(line.label)
        axes.errorbar(line.x, line.mean, spread, fmt="o", ms=4, color=colour, label=label)
        return
    axes.plot(line.x, line.mean, dash, color=colour, linewidth=1.2, label=mathtext(line.label))
    axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.2, linewidth=0)


@contextmanager
def _any_script() -> Iterator[None]:
    """No warning about letters that matplotlib's font lacks; it draws a box for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support .* natively")
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        yield
