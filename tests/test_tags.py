"""Every tag is built and parsed in one module."""

import ast
import re
from pathlib import Path

import pytest

import bnrun
from bnrun.recording import tags
from bnrun.recording.tags import Measured, ScoreName

PACKAGE = Path(bnrun.__file__).parent


@pytest.mark.parametrize("name", [("test", "accuracy", "sampled"), ("train", "nll", "averaged")])
def test_a_score_is_parsed_from_the_tag_that_it_builds(name):
    assert ScoreName.parse(ScoreName(*name).tag) == name


def test_a_slope_is_part_of_the_way():
    name = ScoreName("test", "accuracy", "sampled").at_slope(2.0)
    assert name.tag == "accuracy/test/sampled_slope_2"
    assert ScoreName.parse(name.tag) == name


@pytest.mark.parametrize(
    "tag",
    [
        tags.TRAINING_LOSS,
        tags.LEARNING_RATE,
        tags.SPEED,
        tags.logits_gradient(1),
        tags.parameter_gradient("head.weight"),
        tags.units(2, "entropy"),
        tags.schedule(1, "slope"),
        Measured("gradients", "st", tags.TOTAL, "bias").tag,
    ],
)
def test_no_other_curve_is_parsed_as_a_score(tag):
    assert ScoreName.parse(tag) is None


@pytest.mark.parametrize("group", [tags.measured_group(False), tags.measured_group(True)])
def test_a_measured_statistic_is_parsed_from_the_tag_that_it_builds(group):
    measured = Measured(group, tags.IN_USE, tags.layer(2), "cosine_10")
    assert Measured.parse(measured.tag) == measured
    assert Measured.parse(tags.logits_gradient(1)) is None
    cost = tags.measured_evaluations(group, "disarm")
    assert tags.parse_measured_evaluations(cost) == "disarm"
    assert Measured.parse(cost) is None


def test_a_statistic_of_an_average_is_parsed_from_its_name():
    assert tags.parse_averaged(tags.averaged("relative_rmse", 100)) == ("relative_rmse", 100)
    assert tags.parse_averaged("cosine_single_low") is None
    assert tags.parse_averaged("bias") is None


def test_statistics_of_units_are_parsed():
    assert tags.parse_units(tags.units(1, "firing_rate")) == "layer1/firing_rate"
    assert tags.parse_units(tags.TRAINING_LOSS) is None


# Beginnings of the tags that tags.py builds, and no config key, file or group name.
HEADS = r"(loss|accuracy|gradient|gradients|gradients_vs_sbn|units|schedule|speed|band|score)/"


def test_no_other_file_holds_the_text_of_a_tag():
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.name == "tags.py" and file.parent.name == "recording":
            continue
        tree = ast.parse(file.read_text())
        docstrings = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and re.match(rf"\^?{HEADS}", node.value)
        ]
        if texts:
            found[str(file.relative_to(PACKAGE))] = texts
    assert not found
