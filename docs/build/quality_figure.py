"""Draw docs/results/quality-agreement.svg: the fixed predictor against accuracy, and every tau.

python docs/build/quality_figure.py

Reads docs/results/quality.csv and quality.yaml.
"""

from pathlib import Path

import matplotlib.pyplot as plt
from agreement_table import measured
from kendall import agreements
from raw_results import read_raw
from results_recipe import read_recipe

from bnrun.report.render.style import COLOURS

RESULTS = Path(__file__).parents[1] / "results"

PREDICTOR = "cosine of one draw, halfway"


def main(folder: Path = RESULTS) -> None:
    """Write the figure."""
    path = folder / "quality.yaml"
    spec = read_recipe(path).agreements[0]
    predictors, truth = measured(spec, read_raw(path.with_suffix(".csv")), path)
    found = agreements(predictors, truth)
    figure, (scatter, bars) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    for place, (net, colour) in enumerate(zip(spec.nets, COLOURS, strict=False)):
        x, y = predictors[PREDICTOR][place].mean(0), truth[place].mean(0)
        scatter.scatter(
            x, y, color=colour, s=14, label=f"{net}, tau {found[PREDICTOR].nets[place]:.2f}"
        )
    scatter.set(
        xlabel=PREDICTOR, ylabel="tuned test accuracy (sampled)", title="12 estimators per net"
    )
    scatter.legend(fontsize=8)
    names = list(found)[::-1]
    values, halves = [found[n].tau for n in names], [found[n].half for n in names]
    colours = [COLOURS[0] if n == PREDICTOR else COLOURS[-1] for n in names]
    bars.barh(names, values, color=colours)
    by_seed = [found[n].by_seed.mean() for n in names]
    bars.errorbar(by_seed, names, xerr=halves, fmt="k.", ms=3, label="by seed, 95 %")
    bars.set(xlabel="Kendall's tau, mean over nets", xlim=(-1, 1))
    bars.axvline(0, color="grey", lw=0.8)
    bars.legend(fontsize=8)
    figure.savefig(folder / "quality-agreement.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
