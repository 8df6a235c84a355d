"""The report's page needs nothing else, and shows every figure that there are data for."""

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from studies import compared, far, finish, record

from bnrun.report.compare.contest import Contest
from bnrun.report.files import panels_of
from bnrun.report.render.sensitivity import sensitivity
from bnrun.report_cli import main

pytestmark = pytest.mark.usefixtures("here")


def write_study() -> None:
    for number, estimator in enumerate(("st", "reinmax")):
        place = finish(estimator, far(0.1 * number), estimator)
        rng = np.random.default_rng(number)
        curve = [rng.random(10).tolist() for _ in range(4)]
        record(
            place,
            {
                "accuracy/test/sampled": curve,
                "loss/train": curve[:3],
                "gradients/in_use/total/cosine": curve[:2],
                "gradients/in_use/total/variance": curve[:2],
                "gradients/in_use/evaluations": [[2.0] * 10],
            },
            10,
        )


def test_the_page_needs_no_network_and_holds_every_figure(tmp_path: Path) -> None:
    write_study()
    main(["study"])
    html = Path("study/report.html").read_text()
    assert not re.search(r"https?://", html)
    assert not re.search(r"<(link|img|iframe)|<script[^>]|@import|url\(", html)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    assert captions == [
        "Test accuracy sampled against updates",
        "Test accuracy sampled against wall time",
        "Test accuracy sampled against downstream evaluations",
        "Training loss",
        "Gradient cosine",
        "Gradient variance",
        "Test accuracy sampled against gradient cosine",
    ]
    for picture in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        root = ET.fromstring(picture)
        assert "width" not in root.attrib
    assert "prefers-color-scheme: dark" in html
    assert "<h1>reinmax wins by 0.10000 (test accuracy sampled)</h1>" in html


def test_estimates_without_variance_have_no_variance_figure() -> None:
    place = finish("a", far(0.0))
    record(place, {f"gradients/in_use/total/{x}": [[0.0] * 10] for x in ("variance", "bias")}, 10)
    main(["study"])
    html = Path("study/report.html").read_text()
    assert "Gradient bias</figcaption>" in html
    assert "Gradient variance</figcaption>" not in html


def test_biases_share_a_logarithmic_axis_unless_one_is_zero() -> None:
    for name, bias in (("st", 10.0), ("reinmax", 0.01)):
        record(finish(name, far(0.0), name), {"gradients/in_use/total/bias": [[bias] * 10]}, 10)
    (panel,) = panels_of(compared()[0], [])
    assert (panel.title, panel.log, len(panel.lines)) == ("Gradient bias", True, 2)
    record(finish("exact", far(0.0), "exact"), {"gradients/in_use/total/bias": [[0.0] * 10]}, 10)
    (panel,) = panels_of(compared()[0], [])
    assert (panel.log, len(panel.lines)) == (False, 3)


def test_values_of_a_config_cannot_become_markup() -> None:
    finish("a", far(0.0), "<b>st</b>")
    finish("b", far(0.1), "reinmax")
    main(["study"])
    html = Path("study/report.html").read_text()
    assert "<b>st" not in html
    assert "&lt;b&gt;st" in html


def test_figures_and_a_latex_table_are_written_on_request() -> None:
    write_study()
    assert main(["study", "--figures", "--latex"]) == 0
    names = {path.name for path in Path("study/figures").iterdir()}
    assert {"Test-accuracy-sampled-against-updates.png", "Gradient-cosine.svg"} <= names
    assert len(names) == 21
    table = Path("study/report.tex").read_text()
    assert r"reinmax & \textbf{0.60090 $\pm$ 0.00063} \\" in table
    assert table.count(r"\textbf") == 1
    assert "Test accuracy sampled: mean $\\pm$ half" in table


def test_latex_escapes_special_characters() -> None:
    finish("a", far(0.0), "sigmoid_st", law="50%")
    finish("b", far(0.1), "sigmoid_st", law="a^b")
    main(["study", "--latex"])
    assert r"sigmoid\_st law=50\% &" in Path("study/report.tex").read_text()


def rates(label: str, contest: Contest) -> tuple[list[float], list[float]]:
    (panel,) = sensitivity(contest)
    (line,) = [line for line in panel.lines if line.label == label]
    return line.x.tolist(), line.mean.round(6).tolist()


def test_the_learning_rate_is_shown_with_validation_over_the_seeds_of_the_search() -> None:
    for rate, offset in ((0.1, 0.0), (10.0, 0.1), (1.0, 0.3)):
        finish(f"st{rate}", far(0.9, 3), "st", lr=rate, validation=far(offset, 3))
        finish(f"reinmax{rate}", far(0.9, 3), "reinmax", lr=rate, validation=far(0.2, 3))
    finish("fresh", far(0.0, 3), "st", lr=1.0, validation=far(-0.4, 3), seeds=[3, 4, 5])
    (contest,) = compared()
    assert rates("st", contest) == ([0.1, 1.0, 10.0], [0.501, 0.801, 0.601])
    assert rates("reinmax", contest)[1] == [0.701] * 3
    main(["study"])
    html = Path("study/report.html").read_text()
    assert "Validation accuracy sampled against learning rate</figcaption>" in html
    assert "fewest diverged seeds" in html


def test_competing_learning_rates_are_one_line_without_those_that_diverged() -> None:
    for rate in (0.1, 1.0):
        finish(f"st{rate}", far(rate / 10), "st", lr=rate)
    finish("diverged", [math.nan] * 10, "st", lr=10.0)
    (contest,) = compared()
    assert contest.field.differ == ("optimizer.lr",)
    assert rates("st", contest) == ([0.1, 1.0], [0.5109, 0.6009])


def test_one_learning_rate_has_no_figure() -> None:
    finish("a", far(0.0), "st")
    finish("b", far(0.1), "reinmax")
    assert sensitivity(compared()[0]) == []
