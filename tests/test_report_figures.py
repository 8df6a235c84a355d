"""The figures of the report are legible, on the page and in the column of a paper."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from bnrun.report.render.chart import chart
from bnrun.report.render.figures import WIDTH, figure, save
from bnrun.report.render.panel import Line, Panel
from bnrun.report.render.style import styles


def line(mean: list[float], half: list[float], label: str = "st") -> Line:
    x, y, h = (np.array(row, np.float64) for row in (list(range(len(mean))), mean, half))
    return Line(label, x, y, y - h, y + h)


def panel(*lines: Line, **more: bool) -> Panel:
    return Panel("Test accuracy sampled against updates", "updates", "accuracy", [*lines], **more)


def limits(drawn: Panel) -> tuple[float, float]:
    style = styles([line.label for line in drawn.lines])
    ends = figure(drawn, style).axes[0].get_ylim()
    assert ends == pytest.approx(drawn.vertical())
    return ends


def test_a_band_that_is_much_wider_than_the_curves_does_not_flatten_them() -> None:
    assert limits(panel(line([0.2, 0.6, 0.3], [0.1, 0.1, 5.0]))) == pytest.approx((-0.2, 1.0))


def test_bands_are_shown_in_full_if_there_is_room() -> None:
    least, most = limits(panel(line([0.2, 0.6], [0.1, 0.1])))
    assert -0.2 < least < 0.1
    assert 0.7 < most < 1.0


def test_bands_around_equal_means_stay_visible() -> None:
    least, most = limits(panel(line([0.5, 0.5], [0.2, 0.2])))
    assert least < 0.3
    assert most > 0.7


def test_a_curve_of_one_point_is_a_mark_with_its_interval() -> None:
    drawn = figure(panel(line([0.5], [0.2])), styles(["st"]))
    (mark,) = drawn.axes[0].containers
    assert mark.lines[0].get_marker() == "o"
    assert limits(panel(line([0.5], [0.2]))) == pytest.approx((0.28, 0.72))


@pytest.mark.parametrize("number", [1, 12])
def test_a_figure_is_as_wide_as_a_column_and_its_title_names_the_way(
    number: int, tmp_path: Path
) -> None:
    labels = [f"sigmoid_st slope={n}" for n in range(number)]
    drawn = panel(*(line([0.2, 0.6], [0.1, 0.1], label) for label in labels))
    paths = save(drawn, styles(labels), tmp_path / "figure.v1")
    assert [path.name for path in paths] == [f"figure.v1.{x}" for x in ("png", "svg", "pdf")]
    assert imread(paths[0]).shape[1] == pytest.approx(300 * WIDTH, abs=1)
    assert figure(drawn, styles(labels)).get_suptitle() == drawn.title
    assert save(drawn, styles(labels), tmp_path / "again")[1].read_bytes() == paths[1].read_bytes()


def places(path: str) -> list[tuple[float, float]]:
    """Points of a path of one step after another."""
    numbers = [int(n) for n in re.findall(r"-?\d+", path)]
    return np.cumsum(np.reshape(numbers, (-1, 2)), axis=0).tolist()


def values(picture: str, of: str) -> list[tuple[float, float]]:
    """The values that a path shows, by the axes that the picture names."""
    plot = re.search(r'data-x="(\S+) (\S+?)( log)?" data-y="(\S+) (\S+?)( log)?"', picture)
    assert plot is not None
    path = re.search(rf'<path class="{of}"[^>]* d="([^"]+)"', picture)
    assert path is not None
    (left, right), (low, high) = (map(float, plot.group(n, n + 1)) for n in (1, 4))
    x, y = np.array(places(path[1])).T / [[4000], [2500]]
    y = low * (high / low) ** (1 - y) if plot[6] else low + (high - low) * (1 - y)
    return list(zip(left + (right - left) * x, y, strict=True))


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_of_the_page_can_be_read_back_to_a_thousandth_of_its_range(log: bool) -> None:
    drawn = panel(line([0.2, 0.6, 0.3], [0.1, 0.05, 0.1]), log=log)
    picture = chart(drawn, styles(["st"]))
    assert np.allclose(values(picture, "line"), [(0, 0.2), (1, 0.6), (2, 0.3)], atol=1e-3)
    band = [(0, 0.3), (1, 0.65), (2, 0.4), (2, 0.2), (1, 0.55), (0, 0.1)]
    assert np.allclose(values(picture, "band"), band, atol=1e-3)


def test_a_long_curve_keeps_its_ends_and_is_small_on_the_page() -> None:
    drawn = panel(line(np.linspace(0.1, 0.9, 1000).tolist(), [0.01] * 1000))
    shown = values(chart(drawn, styles(["st"])), "line")
    assert np.allclose([shown[0], shown[-1]], [(0, 0.1), (999, 0.9)], atol=1e-2)
    assert len(shown) == 60


def test_ticks_are_round_numbers_and_learning_rates_are_ticks_themselves() -> None:
    rates = np.array([0.003, 0.01, 0.03])
    y = np.array([0.8, 0.9, 0.85])
    drawn = Panel("Rates", "optimizer.lr", "accuracy", [Line("st", rates, y, y, y)], log_x=True)
    words = re.findall(r"<text[^>]*>([^<]+)<", chart(drawn, styles(["st"])))
    assert words[:6] == ["0.8", "0.82", "0.84", "0.86", "0.88", "0.9"]
    assert words[6:] == ["0.003", "0.01", "0.03", "optimizer.lr"]


def test_on_the_page_only_the_title_names_the_vertical_axis() -> None:
    picture = chart(panel(line([0.2, 0.6], [0.1, 0.1])), styles(["st"]))
    words = [text.text for text in ET.fromstring(picture).iter("text")]
    assert "updates" in words
    assert "accuracy" not in words
    assert re.search(r'aria-label="Test accuracy sampled against updates"', picture)


def test_a_single_seed_has_a_curve_without_a_band() -> None:
    single = line([0.2, 0.6], [np.nan, np.nan])
    assert "band" not in chart(panel(single), styles(["st"]))
