"""docs/estimators.md is what its command writes, from what the docstrings say and what is so."""

import re
from functools import cache
from pathlib import Path

import catalogue
import estimator_figure as figure
import pytest
import torch
from catalogue import chosen_problems, names
from docstrings import (
    first_sentence,
    own_passages,
    passages,
    short_source,
)
from estimators_page import section

from bnrun.conformance.measurement import Evaluations, draw
from bnrun.core.noise import Noise

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "estimators.md").read_text()
AGAIN = "write it again: python docs/build/estimators_page.py docs/estimators.md"

entry = cache(catalogue.entry)


@pytest.mark.parametrize("name", names())
def test_page_has_a_line_a_section_and_a_figure_for_every_configured_estimator(name):
    assert f"\n| [{name}](#{name}) |" in PAGE, AGAIN
    assert f"\n## {name}\n" in PAGE, AGAIN
    assert f"(estimators/{name}.svg)" in PAGE
    assert (DOCS / "estimators" / f"{name}.svg").exists(), AGAIN


def test_page_has_nothing_that_is_not_configured():
    titles = re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)
    assert titles == names(), AGAIN
    assert sorted(path.stem for path in (DOCS / "estimators").iterdir()) == names()


@pytest.mark.parametrize("name", ["exact", "sigmoid_st"])
def test_section_is_measured_again_to_the_digit(name):
    one = entry(name)
    assert section(one, one.findings()) in PAGE, AGAIN


@pytest.mark.parametrize("name", names())
def test_text_of_every_section_is_what_config_and_docstring_say(name):
    text = section(entry(name), []).partition("| problem |")[0]
    assert text in PAGE, AGAIN


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
        figure.save(figure.response(one.build(one.neuron()), 3), file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_figure_shows_the_multiplier_of_each_bit():
    one, p = entry("reinmax"), torch.sigmoid(figure.LOGITS)
    seen = figure.response(one.build(one.neuron()), 0)
    torch.testing.assert_close(seen.fired, (1 - p) / 2, rtol=0, atol=1e-9)
    torch.testing.assert_close(seen.silent, p / 2, rtol=0, atol=1e-9)


def test_figure_shows_a_band_where_more_than_the_bit_matters():
    one, p = entry("disarm"), torch.sigmoid(figure.LOGITS)
    seen = figure.response(one.build(one.neuron()), 0)
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
