"""Draw docs/results/why_st-rates.svg: validation accuracy against the learning rate.

python docs/build/why_st_figure.py

Reads docs/results/why_st.csv; why_st.yaml has the contestants, and the places, one panel each.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from raw_results import read_raw
from results_recipe import ContrastSpec, read_recipe
from tuned import Row, scores_of, selected

from bnrun.recording.intervals import mean_interval
from bnrun.report.render.style import COLOURS

RESULTS = Path(__file__).parents[1] / "results"


def main(folder: Path = RESULTS) -> None:
    """Write the figure."""
    spec = read_recipe(folder / "why_st.yaml").contrasts[0]
    rows = selected(read_raw(folder / "why_st.csv"), {"split": "validation"})
    optimizers = list(dict.fromkeys(place["optimizer"] for place in spec.places))
    number = max(sum(place["optimizer"] == name for place in spec.places) for name in optimizers)
    figure, grid = plt.subplots(
        len(optimizers),
        number,
        figsize=(2.6 * number, 3 * len(optimizers)),
        layout="constrained",
        sharex="row",
        sharey=True,
        squeeze=False,
    )
    for panels, optimizer in zip(grid, optimizers, strict=True):
        places = [place for place in spec.places if place["optimizer"] == optimizer]
        for axes, place in zip(panels, places, strict=True):
            _draw(axes, spec, selected(rows, place))
            title = f"{place['dataset']}, {place['model.hidden']}"
            axes.set(xscale="log", title=title)
            axes.set_xlabel(f"learning rate of {optimizer}")
        panels[0].set_ylabel("validation accuracy (sampled)")
    grid[0, 0].legend(fontsize=8)
    figure.savefig(folder / "why_st-rates.svg", metadata={"Date": None})
    plt.close(figure)


def _draw(axes: Axes, spec: ContrastSpec, rows: Sequence[Row]) -> None:
    """Mean and 95 % interval of each contestant at each rate."""
    for colour, (label, settings) in zip(COLOURS, spec.contestants.items(), strict=False):
        own = selected(rows, settings)
        rates = sorted({float(row["optimizer.lr"]) for row in own})
        values = [
            list(
                scores_of([r for r in own if float(r["optimizer.lr"]) == rate], spec.score).values()
            )
            for rate in rates
        ]
        mean, half, _ = mean_interval(values)
        axes.errorbar(rates, mean, half, color=colour, label=label, marker="o", ms=3, capsize=2)


if __name__ == "__main__":
    main()
