"""Drawing panels: as SVG for the page, in whose colours its text appears, and as files."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnrun.report.render.curves import Line, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe, Ito (2008): told apart by the colour-blind, and seen on white and on black.
COLOURS = ("#0a7cc4", "#e08a00", "#009e73", "#d5400a", "#b65f95", "#3fb1ea", "#8d6fd1", "#8a8a8a")
_DASHES = ("-", "--", ":", "-.")

# Replaced by currentColor in the SVG: whatever colour the page's text has.
_TEXT = "#010203"


def styles(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Label -> colour and dash; as many as there are colours times dashes before they repeat."""
    return {
        label: (COLOURS[n % len(COLOURS)], _DASHES[n // len(COLOURS) % len(_DASHES)])
        for n, label in enumerate(labels)
    }


def svg(panel: Panel, style: Mapping[str, tuple[str, str]]) -> str:
    """The panel as an SVG element for an HTML page, with a transparent background."""
    import matplotlib as mpl

    # Text stays text, and the same panel gives the same file.
    with mpl.rc_context(_ink(_TEXT, **{"svg.fonttype": "none"})):
        target = io.StringIO()
        _figure(panel, style, legend=False).savefig(
            target, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = target.getvalue()
    element = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    element = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*pt"', r"\1", element, count=2)
    return element.replace(_TEXT, "currentColor").replace(
        "<svg", f'<svg role="img" aria-label="{panel.title}"', 1
    )


def save(panel: Panel, style: Mapping[str, tuple[str, str]], stem: Path) -> list[Path]:
    """Write the panel with its legend as PNG (200 dots per inch) and SVG; tell where."""
    import matplotlib as mpl

    written = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    with mpl.rc_context(_ink("black")):
        for path in written:
            metadata = {"Date": None} if path.suffix == ".svg" else None
            # Tight, because long numbers push the label of their axis out.
            figure = _figure(panel, style, legend=True)
            figure.savefig(path, dpi=200, metadata=metadata, bbox_inches="tight")
    return written


def _figure(panel: Panel, style: Mapping[str, tuple[str, str]], legend: bool) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.0))
    # A layout engine would draw every figure twice.
    axes = figure.add_axes((0.14, 0.16, 0.84, 0.8))
    for line in panel.lines:
        _draw(axes, line, *style[line.label], points=panel.points)
    axes.set(xlabel=panel.xlabel)
    if legend:
        axes.set(ylabel=panel.ylabel)
    else:
        # On the page the title says it, and wide numbers would push it out of the picture. Numbers
        # at the axes are most of the time that a picture takes.
        axes.locator_params(nbins=5)
    if panel.log:
        axes.set_yscale("log")
    elif not panel.points:
        _keep_curves_in_sight(axes, panel.lines)
    if panel.log_x:
        axes.set_xscale("log")
        # Few values were tried, and they are what a reader wants to see; at most 8 have room.
        tried = sorted({float(x) for line in panel.lines for x in line.x})
        tried = tried[:: math.ceil(len(tried) / 8)]
        axes.set_xticks(tried, [f"{x:g}" for x in tried])
        axes.set_xticks([], minor=True)
    axes.grid(visible=True, alpha=0.18, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(fontsize=8, frameon=False)
        if len(panel.lines) > 5:
            # They leave no room among them.
            axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _keep_curves_in_sight(axes: "Axes", lines: Sequence[Line]) -> None:
    """Let bands that are much wider than what the curves span run out of the picture."""
    means = np.concatenate([line.mean for line in lines])
    least, most = axes.get_ylim()
    room = means.max() - means.min()
    if room > 0:
        axes.set_ylim(max(least, means.min() - room), min(most, means.max() + room))


def _draw(axes: "Axes", line: Line, colour: str, dash: str, points: bool) -> None:
    if points or len(line.x) == 1:
        spread = [line.mean - line.low, line.high - line.mean]
        axes.errorbar(line.x, line.mean, spread, fmt="o", color=colour, label=line.label)
        return
    axes.plot(line.x, line.mean, dash, color=colour, linewidth=1.6, label=line.label)
    axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.2, linewidth=0)


def _ink(colour: str, **more: Any) -> Any:
    keys = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    ink = dict.fromkeys([*keys, "grid.color"], colour)
    return {**ink, "font.size": 10, "svg.hashsalt": "bnrun", **more}
