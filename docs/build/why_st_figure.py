"""Draw docs/results/why_st-accuracy.svg: tuned test accuracy against width and depth.

python docs/build/why_st_figure.py

Reads docs/results/why_st.csv and the contestants in why_st.yaml.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from raw_results import read_raw
from results_recipe import ContrastSpec, read_recipe
from tuned import Row, scores_of, selected, tuned

from bnrun.recording.intervals import mean_interval
from bnrun.report.render.style import COLOURS

RESULTS = Path(__file__).parents[1] / "results"


def main(folder: Path = RESULTS) -> None:
    """Write the figure."""
    spec = read_recipe(folder / "why_st.yaml").contrasts[0]
    rows = tuned(read_raw(folder / "why_st.csv"), spec.tuned)
    where = {"split": "test", "dataset": "digits", "gradients.every": "null"}
    # A setting that all runs share is no column.
    test = selected(rows, {key: value for key, value in where.items() if key in rows[0]})
    figure, grid = plt.subplots(2, 2, figsize=(8, 6), layout="constrained", sharey=True)
    for line, optimizer in zip(grid, ("sgd", "adam"), strict=True):
        chosen = selected(test, {"optimizer": optimizer})
        nets = {row["model.hidden"]: json.loads(row["model.hidden"]) for row in chosen}
        single = {name: h[0] for name, h in nets.items() if len(h) == 1}
        deep = {name: len(h) for name, h in nets.items() if set(h) == {100}}
        _draw(line[0], spec, chosen, single, f"{optimizer}, one layer")
        line[0].set(xscale="log", xlabel="units of the layer", ylabel="test accuracy (sampled)")
        _draw(line[1], spec, chosen, deep, f"{optimizer}, layers of 100 units")
        line[1].set(xlabel="layers", xticks=sorted(deep.values()))
    grid[0, 0].legend(fontsize=8)
    figure.savefig(folder / "why_st-accuracy.svg", metadata={"Date": None})
    plt.close(figure)


def _draw(
    axes: Axes, spec: ContrastSpec, rows: Sequence[Row], nets: dict[str, int], title: str
) -> None:
    """Mean and 95 % interval of each contestant; `nets` has the place of each net on the x axis."""
    names = sorted(nets, key=lambda name: nets[name])
    places = np.array([nets[name] for name in names])
    for colour, (label, settings) in zip(COLOURS, spec.contestants.items(), strict=False):
        values = [
            list(scores_of(selected(rows, {**settings, "model.hidden": name}), spec.score).values())
            for name in names
        ]
        mean, half, _ = mean_interval(values)
        axes.errorbar(places, mean, half, color=colour, label=label, marker="o", ms=3, capsize=2)
    axes.set_title(title)


if __name__ == "__main__":
    main()
