"""Drawing panels: as SVG that takes its text colour from the page, and as PNG and SVG files."""

import html
import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnrun.recording.escape import mathtext, visible
from bnrun.report.render.panel import Line, Panel

# Okabe, Ito (2008): distinct for the colour-blind, and visible on white and on black.
COLOURS = ("#0a7cc4", "#e08a00", "#009e73", "#d5400a", "#b65f95", "#3fb1ea", "#8d6fd1", "#8a8a8a")
_DASHES = ("-", "--", ":", "-.")

# Values on a logarithmic axis up to which they are ticks; beyond, ticks are powers of ten.
_MOST_VALUES = 16

# Replaced by currentColor in the SVG, the text colour of the page.
_TEXT = "#010203"


Style = Mapping[str, tuple[str, str]]
"""Label -> colour and dash."""


def styles(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Label -> colour and dash; they repeat after 32 labels."""
    return {
        label: (COLOURS[n % len(COLOURS)], _DASHES[n // len(COLOURS) % len(_DASHES)])
        for n, label in enumerate(labels)
    }


def svg(panel: Panel, style: Style) -> str:
    """The panel as an SVG element for an HTML page, with a transparent background."""
    # Text stays text, and the same panel always gives the same file.
    with mpl.rc_context(_ink(_TEXT, **{"svg.fonttype": "none"})), _any_script():
        target = io.StringIO()
        _figure(panel, style, legend=False).savefig(
            target, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = target.getvalue()
    element = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    element = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*pt"', r"\1", element, count=2)
    return element.replace(_TEXT, "currentColor").replace(
        "<svg", f'<svg role="img" aria-label="{html.escape(visible(panel.title))}"', 1
    )


def save(panel: Panel, style: Style, stem: Path) -> list[Path]:
    """Write the panel with its legend as PNG (200 dots per inch) and SVG; returns their paths."""
    written = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    with mpl.rc_context(_ink("black")), _any_script():
        for path in written:
            metadata = {"Date": None} if path.suffix == ".svg" else None
            # Tight, because long tick labels push the axis label out of the figure.
            figure = _figure(panel, style, legend=True)
            figure.savefig(path, dpi=200, metadata=metadata, bbox_inches="tight")
    return written


def _figure(panel: Panel, style: Style, legend: bool) -> Figure:
    figure = Figure(figsize=(4.6, 3.0))
    # Fixed axes, because a layout engine would draw every figure twice.
    axes = figure.add_axes((0.14, 0.16, 0.84, 0.8))
    for line in panel.lines:
        _draw(axes, line, *style[line.label], points=panel.points)
    axes.set(xlabel=mathtext(panel.xlabel))
    if legend:
        axes.set(ylabel=mathtext(panel.ylabel))
    else:
        # The page has no label for the vertical axis: the title names it, and wide tick labels
        # would push it out. Few ticks, because they take most of the time of drawing.
        axes.locator_params(nbins=5)
    if panel.log:
        axes.set_yscale("log")
    elif not panel.points:
        _limit_bands(axes, panel.lines)
    if panel.log_x:
        axes.set_xscale("log")
        values = sorted({float(x) for line in panel.lines for x in line.x})
        if len(values) <= _MOST_VALUES:
            # Label the values themselves, such as the learning rates that were tried; 8 fit.
            values = values[:: math.ceil(len(values) / 8)]
            axes.set_xticks(values, [f"{x:g}" for x in values])
            axes.set_xticks([], minor=True)
    axes.grid(visible=True, alpha=0.18, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(fontsize=8, frameon=False)
        if len(panel.lines) > 5:
            # Beside the axes, because so many lines leave no room between them.
            axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _limit_bands(axes: Axes, lines: Sequence[Line]) -> None:
    """Cut off bands that are much wider than the range of the curves."""
    means = np.concatenate([line.mean for line in lines])
    least, most = axes.get_ylim()
    room = means.max() - means.min()
    if room > 0:
        axes.set_ylim(max(least, means.min() - room), min(most, means.max() + room))


def _draw(axes: Axes, line: Line, colour: str, dash: str, points: bool) -> None:
    if points or len(line.x) == 1:
        spread = [line.mean - line.low, line.high - line.mean]
        axes.errorbar(line.x, line.mean, spread, fmt="o", color=colour, label=mathtext(line.label))
        return
    axes.plot(line.x, line.mean, dash, color=colour, linewidth=1.6, label=mathtext(line.label))
    axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.2, linewidth=0)


@contextmanager
def _any_script() -> Iterator[None]:
    """No warning about letters that matplotlib's font lacks; it draws a box for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support .* natively")
        yield


def _ink(colour: str, **more: Any) -> Any:
    keys = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    ink = dict.fromkeys([*keys, "grid.color"], colour)
    return {**ink, "font.size": 10, "svg.hashsalt": "bnrun", **more}
