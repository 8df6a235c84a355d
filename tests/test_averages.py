"""The figures of a gradient study show what was logged about averages of draws."""

from pathlib import Path

import pytest
from studies import compared, far, finish, record

from bnrun.recording import tags
from bnrun.recording.tags import TOTAL, Measured, averaged, measured_evaluations
from bnrun.report.files import panels_of
from bnrun.report.render.panel import Panel
from bnrun.report_cli import main

GROUP = tags.measured_group(deterministic=False)

pytestmark = pytest.mark.usefixtures("here")


def study(*estimators: str) -> None:
    """A run of st on two seeds that measured `estimators` after 0 and 10 updates."""
    curves = {Measured(GROUP, "st", TOTAL, "bias").tag: [[0.3, 0.3]] * 2}
    for number, name in enumerate(estimators, start=1):
        curves[measured_evaluations(GROUP, name)] = [[number, number]] * 2
        for draws in (1, 100):
            error = averaged("relative_rmse", draws)
            curves[Measured(GROUP, name, TOTAL, error).tag] = [[1.0, 1.2], [1 / draws, 3 / draws]]
            cosine = averaged("cosine", draws)
            curves[Measured(GROUP, name, TOTAL, cosine).tag] = [[0.5, 0.5], [0.9, 0.9]]
            layer = Measured(GROUP, name, tags.layer(1), cosine)
            curves[layer.tag] = [[0.4, 0.4]] * 2
    record(finish("run", far(0.0, 2)), curves, 2)


def average_panels() -> list[Panel]:
    return [panel for panel in panels_of(compared()[0], []) if ", step" in panel.title]


def lines(title: str) -> dict[str, tuple[list[float], list[float]]]:
    (panel,) = (panel for panel in average_panels() if panel.title == title)
    return {line.label: (line.x.tolist(), line.mean.tolist()) for line in panel.lines}


def test_error_and_cosine_are_means_over_seeds_against_draws_and_cost():
    study("disarm", "st")
    x, mean = lines("Relative RMSE against averaged draws, step 10")["st"]
    assert x == [1.0, 100.0]
    assert mean == pytest.approx([2.0, 0.02])
    x, mean = lines("Cosine with the reference against downstream evaluations, step 0")["st"]
    assert x == [2.0, 200.0]
    assert mean == pytest.approx([0.5, 0.5])


def test_every_measurement_has_its_panels_and_the_page_shows_the_last():
    study("disarm", "st")
    panels = average_panels()
    assert [panel.title.endswith("step 10") for panel in panels] == [False] * 4 + [True] * 4
    assert [panel.on_page for panel in panels] == [False] * 4 + [True] * 4
    assert all(panel.log == (panel.ylabel == "Relative RMSE") for panel in panels)


def test_the_estimator_in_use_is_shown_once_and_by_its_name():
    study(tags.IN_USE, "disarm")
    assert list(lines("Relative RMSE against averaged draws, step 0")) == ["st", "disarm"]


def test_an_estimator_in_use_that_is_measured_by_name_too_is_not_repeated():
    study(tags.IN_USE, "disarm", "st")
    (x, _) = lines("Relative RMSE against downstream evaluations, step 0")["st"]
    assert x == [3.0, 300.0]


def test_runs_without_averages_have_no_such_panel():
    study()
    assert average_panels() == []


def test_the_figures_are_written_as_png_svg_and_pdf():
    study("disarm", "st")
    assert main(["study", "--figures"]) == 0
    written = list(Path("study/figures").glob("*against-averaged-draws-step-*"))
    assert len(written) == 12
    assert all(path.stat().st_size > 5_000 for path in written)
    assert "averaged draws, step 10</figcaption>" in Path("study/report.html").read_text()
    assert "averaged draws, step 0</figcaption>" not in Path("study/report.html").read_text()
