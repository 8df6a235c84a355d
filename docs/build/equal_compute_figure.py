"""Draw docs/results/equal_compute-time.svg: scores against wall time, one panel per net and task.

python docs/build/equal_compute_figure.py

Reads docs/results/equal_compute.csv; equal_compute.yaml has the contestants and the places.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from raw_results import read_raw
from results_recipe import StandingsSpec, read_recipe
from tuned import Row, scores_of, selected

from bnrun.recording.intervals import mean_interval
from bnrun.report.render.style import COLOURS

RESULTS = Path(__file__).parents[1] / "results"

MARKERS = "os^D"


def main(folder: Path = RESULTS) -> None:
    """Write the figure."""
    tables = read_recipe(folder / "equal_compute.yaml").standings
    rows = selected(read_raw(folder / "equal_compute.csv"), {"split": "test"})
    number = max(len(spec.places) for spec in tables)
    figure, grid = plt.subplots(
        len(tables), number, figsize=(3.2 * number, 3.2 * len(tables)), squeeze=False
    )
    for panels, spec in zip(grid, tables, strict=True):
        counted = [row for row in rows if row["seed"] not in spec.search_seeds]
        for axes, (title, place) in zip(panels, spec.places.items(), strict=False):
            draw(axes, spec, selected(counted, place))
            axes.set(title=title, xlim=(0, None))
        panels[0].set_ylabel(spec.score)
    for axes in grid[-1]:
        axes.set_xlabel("wall time of ten seeds, s")
    labels = {
        label: handle
        for axes in grid.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.legend(labels.values(), labels.keys(), loc="lower center", ncols=7, fontsize=8)
    figure.savefig(folder / "equal_compute-time.svg", metadata={"Date": None})
    plt.close(figure)


def draw(axes: Axes, spec: StandingsSpec, rows: Sequence[Row]) -> None:
    """Mean and 95 % interval of each contestant, at the wall time of its run."""
    for number, (label, where) in enumerate(spec.contestants.items()):
        own = selected(rows, where)
        if own:
            mean, half, _ = mean_interval(list(scores_of(own, spec.score).values()))
            colour = COLOURS[number % len(COLOURS)]
            marker = MARKERS[number // len(COLOURS)]
            axes.errorbar(
                float(own[0]["seconds"]), mean, half, color=colour, marker=marker, label=label, ms=5
            )


if __name__ == "__main__":
    main()
