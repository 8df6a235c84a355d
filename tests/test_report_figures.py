"""The figures of the report are legible."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from bnrun.report.render.figures import _figure, styles, svg
from bnrun.report.render.panel import Line, Panel


def line(mean: list[float], half: list[float], label: str = "st") -> Line:
    x, y, h = (np.array(row, np.float64) for row in (list(range(len(mean))), mean, half))
    return Line(label, x, y, y - h, y + h)


def panel(*lines: Line, **more: bool) -> Panel:
    return Panel("Test accuracy against updates", "updates", "accuracy", list(lines), **more)


def limits(drawn: Panel) -> tuple[float, float]:
    style = styles([line.label for line in drawn.lines])
    return _figure(drawn, style, legend=True).axes[0].get_ylim()


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
    drawn = _figure(panel(line([0.5], [0.2])), styles(["st"]), legend=False)
    (mark,) = drawn.axes[0].containers
    assert mark.lines[0].get_marker() == "o"
    assert limits(panel(line([0.5], [0.2]))) == pytest.approx((0.28, 0.72))


def test_on_the_page_only_the_title_names_the_vertical_axis() -> None:
    picture = svg(panel(line([0.2, 0.6], [0.1, 0.1])), styles(["st"]))
    words = [text.text for text in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert "updates" in words
    assert "accuracy" not in words
    assert re.search(r'aria-label="Test accuracy against updates"', picture)
