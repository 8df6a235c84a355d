"""Figure of a gradient study: error and cosine against averaged draws and their cost."""

from pathlib import Path
from typing import TYPE_CHECKING

from bnrun.recording.metrics import read_metrics
from bnrun.recording.tags import (
    IN_USE,
    TOTAL,
    Measured,
    parse_averaged,
    parse_measured_evaluations,
)

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

PANELS = (
    ("relative_rmse", "draws averaged", "relative RMSE"),
    ("relative_rmse", "downstream evaluations", "relative RMSE"),
    ("cosine", "draws averaged", "cosine with the reference"),
    ("cosine", "downstream evaluations", "cosine with the reference"),
)


def draw_averages(folder: Path) -> list[Path]:
    """Write averages.png and averages.svg from the run's metrics.csv; a row for each measurement.

    Raises ValueError if the run has logged no averages (gradients.averages).
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    points = averaged_points(read_metrics(folder))
    if points["estimator"].n_unique() > 1:
        # What trains the net is in the list as well, under its own name.
        points = points.filter(points["estimator"] != IN_USE)
    steps = sorted(points["step"].unique())
    figure, rows = plt.subplots(
        len(steps), 4, figsize=(18, 4 * len(steps)), squeeze=False, layout="constrained"
    )
    for step, row in zip(steps, rows, strict=True):
        for axes, (statistic, against, label) in zip(row, PANELS, strict=True):
            _draw(axes, points.filter(step=step, statistic=statistic), against)
            axes.set(xscale="log", xlabel=against, ylabel=label, title=f"after {step} updates")
            if statistic == "relative_rmse":
                axes.set_yscale("log")
    handles, labels = rows[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    written = [folder / "averages.png", folder / "averages.svg"]
    for path in written:
        figure.savefig(path, dpi=110)
    plt.close(figure)
    return written


def averaged_points(metrics: "pl.DataFrame") -> "pl.DataFrame":
    """Columns step, estimator, statistic, draws, evaluations, value: means over finite seeds.

    metrics  as from read_metrics, with tags "group/estimator/total/statistic_M"
    """
    import polars as pl

    tags = metrics["tag"].unique().to_list()
    averaged = [(tag, *parsed) for tag in tags if (parsed := _parse(tag))]
    if not averaged:
        raise ValueError("no averages were logged: run with gradients.averages=[1,10,100], say")
    columns = ["tag", "estimator", "statistic", "draws"]
    costs = [(tag, name) for tag in tags if (name := parse_measured_evaluations(tag))]
    cost = metrics.join(
        pl.DataFrame(costs, schema=["tag", "estimator"], orient="row"), on="tag"
    ).select("step", "seed", "estimator", evaluations="value")
    return (
        metrics.join(pl.DataFrame(averaged, schema=columns, orient="row"), on="tag")
        .join(cost, on=["step", "seed", "estimator"])
        .filter(pl.col("value").is_finite())
        .with_columns(evaluations=pl.col("evaluations") * pl.col("draws"))
        .group_by("step", "estimator", "statistic", "draws", maintain_order=True)
        .agg(pl.col("value").mean(), pl.col("evaluations").mean())
        .sort("estimator", "draws")
    )


def _parse(tag: str) -> tuple[str, str, int] | None:
    """Estimator, statistic and number of draws of the curve of an average."""
    measured = Measured.parse(tag)
    average = measured and measured.place == TOTAL and parse_averaged(measured.statistic)
    return (measured.estimator, *average) if measured and average else None


def _draw(axes: "Axes", points: "pl.DataFrame", against: str) -> None:
    column = "draws" if against == "draws averaged" else "evaluations"
    for number, (name, curve) in enumerate(points.group_by("estimator", maintain_order=True)):
        style = ("-", "--", ":")[number // 10 % 3]
        axes.plot(curve[column], curve["value"], style, label=str(name[0]), color=f"C{number % 10}")
    axes.grid(visible=True, alpha=0.3)
