"""The figure of a gradient study shows the means of what was logged."""

import polars as pl
import pytest

from bnrun.report.render.averages import averaged_points, draw_averages

ROWS = [
    (0, 0.0, seed, f"gradients/{name}/{tag}", value)
    for seed, shift in ((3, 0.0), (7, 0.2))
    for name, cost in (("in_use", 1.0), ("disarm", 2.0))
    for tag, value in (
        ("total/relative_rmse_1", 1.0 + shift),
        ("total/relative_rmse_100", 0.1 + shift),
        ("total/cosine_1", 0.5),
        ("total/cosine_100", 0.9),
        ("total/bias", 0.3),
        ("layer1/cosine_1", 0.4),
        ("evaluations", cost),
    )
]
METRICS = pl.DataFrame(ROWS, schema=["step", "epoch", "seed", "tag", "value"], orient="row")


def test_points_are_means_over_seeds_with_their_cost():
    points = averaged_points(METRICS)
    (row,) = points.filter(estimator="disarm", statistic="relative_rmse", draws=100).rows()
    assert row == (0, "disarm", "relative_rmse", 100, pytest.approx(0.2), pytest.approx(200.0))
    assert len(points) == 8  # layers and statistics of single draws are left out


def test_a_run_without_averages_is_told_how_to_get_them():
    with pytest.raises(ValueError, match=r"gradients\.averages"):
        averaged_points(METRICS.filter(tag="gradients/disarm/evaluations"))


def test_the_figure_is_written_as_png_and_svg(tmp_path):
    METRICS.write_csv(tmp_path / "metrics.csv")
    written = draw_averages(tmp_path)
    assert [path.suffix for path in written] == [".png", ".svg"]
    assert all(path.stat().st_size > 10_000 for path in written)
