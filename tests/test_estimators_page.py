"""docs/estimators.md and README's table are up to date, and their command measures only changes."""

import re
import shutil
from dataclasses import replace

import catalogue
import estimator_figure as figure
import estimators_page
import measurements
import pytest
import torch
from catalogue import chosen_problems, names
from docstrings import first_sentence, own_passages, passages, short_source
from estimators_page import COMMAND, PAGE, README, entry
from estimators_table import BEGIN, END, with_table

from bnrun.conformance.measurement import Evaluations, draw
from bnrun.core.noise import Noise
from bnrun.estimators.reinmax import ReinMax


def test_pages_are_up_to_date():
    changes = estimators_page.out_of_date()
    assert not changes, f"run {COMMAND}: {'; '.join(changes)}"


def test_page_has_a_line_a_section_and_a_figure_for_every_measured_estimator():
    page = PAGE.read_text()
    for file in measurements.FOLDER.glob("*.json"):
        name = file.stem
        assert f"\n| [{name}](#{name}) |" in page
        assert f"\n## {name}\n" in page
        assert f"(estimators/{name}.svg)" in page
        assert measurements.figure_file(name).exists()


@pytest.mark.parametrize("name", ["exact", "sigmoid_st"])
def test_stored_measurements_come_out_again_to_the_digit(name):
    assert measurements.rows(entry(name)) == measurements.read(name).rows


def test_an_estimator_that_computes_something_else_is_measured_again():
    changed = replace(entry("reinmax"), build=lambda neuron: ReinMax(neuron, temperature=1.001))
    assert "not those that were measured" in (measurements.reason_to_measure(changed) or "")


def test_new_words_need_no_measurement():
    reworded = replace(entry("reinmax"), description="other words", build=ReinMax)
    assert measurements.reason_to_measure(reworded) is None


def test_the_command_measures_what_is_new_and_nothing_else(tmp_path, monkeypatch, capsys):
    """A project of three estimators, of which exact has no measurements yet."""
    project = ["disarm", "exact", "st"]
    stored = {f"{name}{suffix}" for name in project for suffix in (".json", ".svg")}
    folder, page, readme = (tmp_path / name for name in ("data", "estimators.md", "README.md"))
    folder.mkdir()
    for name in stored - {"exact.json", "exact.svg"}:
        shutil.copy(measurements.FOLDER / name, folder)
    (folder / "removed.json").write_text("{}")
    readme.write_text(f"A readme.\n{BEGIN}old\n{END}")
    monkeypatch.setattr(catalogue, "names", lambda: project)
    monkeypatch.setattr(measurements, "FOLDER", folder)
    monkeypatch.setattr(estimators_page, "PAGE", page)
    monkeypatch.setattr(estimators_page, "README", readme)

    assert estimators_page.out_of_date() == [
        "estimator exact: not measured yet",
        "removed.json: no such estimator",
    ]
    assert estimators_page.main([]) == 0
    assert capsys.readouterr().err == "measuring exact: not measured yet\n"
    assert {path.name for path in folder.iterdir()} == stored
    assert re.findall(r"^## (\w+)$", page.read_text(), re.MULTILINE) == project
    assert "| `exact` |" in readme.read_text()
    assert not estimators_page.out_of_date()


def test_a_readme_without_a_place_for_the_table_is_an_error():
    measured = {entry("arm"): measurements.read("arm")}
    with pytest.raises(ValueError, match="no <!-- estimators -->"):
        with_table("# A readme\n", measured)
    with pytest.raises(ValueError, match="no <!-- estimators -->"):
        with_table(f"{BEGIN}and no end", measured)


def test_a_family_is_one_row_of_the_table():
    readme = README.read_text()
    assert "| `arm`, `disarm` |" in readme  # in one file
    assert "| `rebar`, `relax` |" in readme  # one derives from the other


@pytest.mark.parametrize("name", names())
def test_docstring_says_forward_backward_exact_cost_and_source(name):
    one = entry(name)
    assert {"forward", "backward", "Exact", "Cost", "Source"} <= set(one.passages)
    assert {"backward", "Source"} <= set(own_passages(type(one.estimator)))
    says_always = one.passages["Exact"].startswith("always")
    assert (says_always == one.estimator.unbiased) or one.parts


@pytest.mark.parametrize("name", names())
def test_cost_in_the_docstring_is_what_is_counted(name):
    one, net, counted = entry(name), chosen_problems()[0], Evaluations()
    said = re.match(r"(.+?) downstream evaluation", one.passages["Cost"])
    if said is None:
        assert one.parts  # that of its parts
        return
    units = net.stages[0][0].shape[-1]
    known = {"one": 1, "U": units, "K": getattr(one.estimator, "samples", None)}
    draw(net, [one.build(one.neuron())], Noise(range(net.replicas)), 8, counted)
    assert eval(said[1].replace("^", "**"), known) == counted.total


def test_figure_has_the_same_bytes_every_time(tmp_path):
    files = [tmp_path / "first.svg", tmp_path / "second.svg"]
    for file in files:
        one = entry("disarm")
        figure.save(figure.measure_response(one.build(one.neuron()), 3), file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_figure_shows_the_multiplier_of_each_bit():
    one, p = entry("reinmax"), torch.sigmoid(figure.LOGITS)
    seen = figure.measure_response(one.build(one.neuron()), 0)
    torch.testing.assert_close(seen.fired, (1 - p) / 2, rtol=0, atol=1e-9)
    torch.testing.assert_close(seen.silent, p / 2, rtol=0, atol=1e-9)


def test_figure_shows_a_band_where_more_than_the_bit_matters():
    one, p = entry("disarm"), torch.sigmoid(figure.LOGITS)
    seen = figure.measure_response(one.build(one.neuron()), 0)
    assert seen.fired is None
    # The bits differ with probability 2 min(p, 1 - p), and then it is max(p, 1 - p) / 2.
    low, high = torch.minimum(p, 1 - p), torch.maximum(p, 1 - p)
    deviation = high / 2 * (2 * low * (1 - 2 * low)).sqrt()
    torch.testing.assert_close(seen.mean, p * (1 - p), rtol=0, atol=0.01)
    torch.testing.assert_close(seen.deviation, deviation, rtol=0, atol=0.01)


class Base:
    """A base.

    forward:  bits
    Cost: one downstream evaluation.
    """


class Derived(Base):
    """A class.

    backward: the loss
              times the score
    Exact: never. Not even
    nearly.

    samples  no passage: this is a field

    Source: Nobody, Nothing (2020), arXiv 2001.00001; the same: Other (2019), arXiv 1901.00001.
    """


def test_passages_end_at_a_blank_line_and_are_inherited():
    source = "Nobody, Nothing (2020), arXiv 2001.00001; the same: Other (2019), arXiv 1901.00001."
    assert passages(Derived) == {
        "forward": "bits",
        "Cost": "one downstream evaluation.",
        "backward": "the loss times the score",
        "Exact": "never. Not even nearly.",
        "Source": source,
    }
    assert first_sentence("never. Not even nearly.") == "never"


@pytest.mark.parametrize(
    ("source", "short"),
    [
        (own_passages(Derived)["Source"], "[Nobody 2020](https://arxiv.org/abs/2001.00001)"),
        ("Hinton, lecture 9c (2012); Other (2013), arXiv 1308.3432.", "Hinton 2012"),
        (
            "Bengio et al. (2013), arXiv 1402.0030.",
            "[Bengio 2013](https://arxiv.org/abs/1402.0030)",
        ),
        ("none needed, the mean is linear.", ""),
    ],
)
def test_short_source_is_first_author_year_and_link_of_the_first_work(source, short):
    assert short_source(source) == short
