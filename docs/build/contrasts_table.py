"""A table of differences between contestants on the results page."""

import math
from collections.abc import Sequence
from pathlib import Path

from results_recipe import ContrastSpec
from tuned import Row, contrasts, tuned

from bnrun.report.compare.statistics import Difference
from bnrun.report.read.column import Column
from bnrun.report.render.tables import markdown_table


def contrasts_table(spec: ContrastSpec, rows: Sequence[Row], path: Path) -> str:
    """The table in Markdown; a star marks intervals that exclude 0.

    Raises ValueError if a difference has no seed.
    """
    pairs = [(spec.contestants[a], spec.contestants[b]) for a, b in spec.pairs]
    chosen = tuned(rows, spec.tuned)
    table = contrasts(chosen, spec.places, pairs, spec.score)
    for place, row in zip(spec.places, table, strict=True):
        for names, difference in zip(spec.pairs, row, strict=True):
            if not difference.number + difference.diverged:
                raise ValueError(f"{path}: {spec.title!r}: no seed for {names} at {place}")
    words = [Column(name, tuple(place[name] for place in spec.places)) for name in spec.places[0]]
    columns = zip(*table, strict=True)
    numbers = [
        Column(f"{a} - {b}", tuple(map(_cell, column)))
        for (a, b), column in zip(spec.pairs, columns, strict=True)
    ]
    return markdown_table(words, numbers)


def _cell(difference: Difference) -> str:
    diverged = f", {difference.diverged} diverged" if difference.diverged else ""
    if not math.isfinite(difference.low):
        return f"{difference.mean:.3f}, no interval{diverged}"
    text = f"{difference.mean:.3f} ± {(difference.high - difference.low) / 2:.3f}{diverged}"
    return f"{text} *" if difference.significant else text
