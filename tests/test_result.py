"""result.json is read back as it was written, also that of an earlier version."""

import json
import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from bnrun.recording.result import RESULT, read_result, write_result

GOOD: dict[str, Any] = {
    "seeds": [3, 7],
    "scores": {
        "validation": {"accuracy": {"sampled": [0.25, 0.5]}, "loss": {"sampled": [1.0, 2.0]}},
        "test": {"accuracy": {"sampled": [0.125, 0.75]}, "loss": {"sampled": [1.5, 2.5]}},
    },
    "goal": {"score": "accuracy", "way": None, "larger_is_better": True},
    "way": "sampled",
    "diverged": {"7": 350},
    "steps": 400,
    "seconds": 12.5,
    "config": {"seeds": [3, 7], "choices": {"neuron": "sbn"}},
    "versions": {"torch": "2.13.0"},
    "commit": None,
    "data": {"digits": "ab12"},
}


def test_a_result_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = write_result(tmp_path, GOOD)
    assert path == tmp_path / RESULT
    assert read_result(path) == GOOD | {"diverged": {7: 350}}
    assert [file.name for file in tmp_path.iterdir()] == [RESULT]


def test_scores_that_are_not_finite_are_null_in_the_file_and_nan_when_read(
    tmp_path: Path,
) -> None:
    result = deepcopy(GOOD)
    result["scores"]["test"]["loss"]["sampled"] = [math.nan, math.inf]
    text = write_result(tmp_path, result).read_text()
    assert json.loads(text)["scores"]["test"]["loss"]["sampled"] == [None, None]
    assert "NaN" not in text
    assert "Infinity" not in text
    read = read_result(tmp_path / RESULT)
    assert all(map(math.isnan, read["scores"]["test"]["loss"]["sampled"]))


def test_keys_of_later_versions_are_kept(tmp_path: Path) -> None:
    path = write_result(tmp_path, GOOD | {"hardware": {"cores": 2}})
    assert dict(read_result(path))["hardware"] == {"cores": 2}


def test_a_result_without_a_goal_gets_that_of_a_classifier(tmp_path: Path) -> None:
    assert read_result(write_result(tmp_path, without("goal"))) == read_result(
        write_result(tmp_path, GOOD)
    )


@pytest.mark.parametrize(
    ("neuron", "way"), [("dbn", "thresholded"), ("real", "mean_field"), ("sbn", "sampled")]
)
def test_an_old_result_without_a_way_gets_that_of_its_neuron(
    tmp_path: Path, neuron: str, way: str
) -> None:
    old = without("way") | {"config": {"choices": {"neuron": neuron}}}
    assert "way" not in json.loads(write_result(tmp_path, old).read_text())
    assert read_result(tmp_path / RESULT)["way"] == way


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        (json.dumps(GOOD)[:-9], "not JSON .* delete it and rerun its run"),
        ("[1]", "not a result, the file"),
        (json.dumps(without("scores")), "not a result, scores: Field required"),
        (json.dumps(GOOD | {"steps": "many"}), "not a result, steps: "),
        (json.dumps(GOOD | {"seeds": []}), "not a result, seeds: "),
        (
            json.dumps(GOOD | {"seeds": [1, 2, 7]}),
            r"scores\.validation\.accuracy\.sampled has 2 values for 3 seeds",
        ),
        (
            json.dumps(GOOD | {"diverged": {"8": 1}}),
            "diverged names 8, which is not one of its seeds",
        ),
        (json.dumps(GOOD | {"config": {}}), r"config\.choices is missing"),
        (
            json.dumps(GOOD | {"scores": {"test": {"accuracy": {"sampled": ["a", 1]}}}}),
            r"scores\.test\.accuracy\.sampled\.0: ",
        ),
    ],
)
def test_a_broken_file_is_described_in_one_sentence(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / RESULT
    path.write_text(content)
    with pytest.raises(ValueError, match=reason) as caught:
        read_result(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"result\.json: cannot be read \(No such file"):
        read_result(tmp_path / RESULT)


def test_only_results_are_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a result, steps"):
        write_result(tmp_path, without("steps"))
    assert not list(tmp_path.iterdir())
