"""Every task checks that the data fit it, and its prepared data are checked again."""

from dataclasses import replace

import pytest
import torch
from configured import built
from made_up_data import SPLITS, X, Y, data, refusal, split, with_value

from bnrun.data import checks
from bnrun.data.base import Dataset, Split, as_data
from bnrun.data.errors import DataError
from bnrun.tasks.classification import Classification
from bnrun.tasks.structured_prediction import StructuredPrediction
from bnrun.training.device import move


def test_all_built_in_data_pass_again_after_every_task():
    for words in (
        ["model=mlp"],
        ["task=vae", "model=vae"],
        ["task=structured_prediction"],
        ["task=autoencoder", "model=autoencoder"],
        ["task=gan", "model=generator_mlp", "task.judge_steps=1"],
        ["task=toy", "model=bits", "dataset=blank"],
    ):
        checks.check_data(built([*words, "seeds=1"]).data)


class Changing(Classification):
    """A task that spoils the data in place, and returns the same object."""

    def prepared(self, data):
        data.test.inputs.mul_(255)
        return data


def test_data_are_checked_again_after_a_task_has_prepared_them():
    prepared = Changing().prepared(data())
    assert "scale all splits alike" in refusal(move, prepared, torch.device("cpu"))


@pytest.mark.parametrize("value", [(X, Y), None, {"train": 1}, X])
def test_something_else_in_place_of_data_is_refused(value):
    message = refusal(as_data, value, "dataset Mine.load")
    name = type(value).__name__
    assert message == (
        f"dataset Mine.load returned a {name}, but must return a bnrun.data.base.Data"
    )


def test_a_dataset_or_task_that_returns_something_else_is_named(monkeypatch):
    from bnrun.data.digits import Digits

    with monkeypatch.context() as patch:
        patch.setattr(Digits, "load", lambda self: (X, Y))
        assert "dataset Digits.load returned a tuple" in refusal(built, [])
    monkeypatch.setattr(Classification, "prepared", lambda self, data: None)
    assert "task Classification.prepared returned a NoneType" in refusal(built, [])
    assert issubclass(Digits, Dataset)


def test_a_classification_needs_examples_of_two_classes():
    ones = Split(X, torch.ones_like(Y))
    task = Classification()
    assert "task=classification needs a class for each example" in refusal(
        task.prepared, data(classes=0)
    )
    message = refusal(task.prepared, data(train=ones))
    assert "every one of dataset=mine's train_targets is 1: there is nothing to learn" in message
    assert task.prepared(data(test=ones)).classes == 4


@pytest.mark.parametrize("name", SPLITS)
def test_pixels_outside_0_to_1_are_refused_where_they_are_probabilities(name):
    wrong = data(**{name: Split(with_value(X, (0, 0, 0, 0), -0.5), Y)})
    message = refusal(StructuredPrediction().prepared, wrong)
    assert f"dataset=mine has {name}_inputs in -0.5 .. " in message
    run = built(["task=vae", "model=vae", "seeds=1"])
    model = run.model
    with pytest.raises(DataError, match=rf"task=vae uses pixels.*{name}_inputs in -0.5 .. "):
        run.task.begin(model, wrong, [0])


@pytest.mark.parametrize("name", SPLITS)
def test_a_gan_needs_dark_and_bright_pixels_and_neighbours_in_every_split(name):
    task = built(["task=gan", "model=generator_mlp", "task.judge_steps=1", "seeds=1"]).task
    wrong = data(**{name: Split(0.7 * X + 0.3, Y)})
    expected = f"every pixel of dataset=mine's {name}_inputs is above it"
    assert expected in refusal(replace(task, threshold=0.25).prepared, wrong)
    wrong = data(**{name: Split(0.75 * X, Y)})
    expected = f"every pixel of dataset=mine's {name}_inputs is at or below it"
    assert expected in refusal(replace(task, threshold=0.8).prepared, wrong)
    few = data(**{name: Split(*(part[:4] for part in split()))})
    message = refusal(replace(task, threshold=0.5, neighbours=4).prepared, few)
    assert "task.neighbours=4 needs more images than that" in message
    assert f"{name} has 4" in message
