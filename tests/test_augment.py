"""Training images that are shifted and mirrored."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from configured import built
from runs import assert_equal_runs, bnrun, resumed
from studies import finish

from bnrun.config.compose import composed, resolved
from bnrun.config.run_id import scientific, scientific_hash
from bnrun.data.arrays import ArrayFile
from bnrun.data.augment import Augmentation, Changes
from bnrun.data.base import Split
from bnrun.data.batches import Batches
from bnrun.data.digits import Digits
from bnrun.data.errors import DataError
from bnrun.report.compare.comparable import refused
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate

BOTH = Augmentation(crop=2, flip=True)
WORDS = ["dataset.augment.crop=1", "dataset.augment.flip=true"]


def numbered(examples: int = 12, shape: tuple[int, ...] = (3, 5, 4)) -> Split:
    """Images of which no two pixels are equal, and none is zero."""
    pixels = 1 + torch.arange(examples * np.prod(shape), dtype=torch.float64)
    return Split(pixels.view(examples, *shape), torch.arange(examples))


def changed(image: np.ndarray, crop: int, down: int, right: int, mirrored: bool) -> np.ndarray:
    """One image [C, H, W] after its changes, written out."""
    height, width = image.shape[1:]
    padded = np.pad(image, [(0, 0), (crop, crop), (crop, crop)])
    window = padded[:, down : down + height, right : right + width]
    return window[..., ::-1] if mirrored else window


def test_images_are_those_of_a_loop_over_examples():
    images = numbered().inputs
    changes = BOTH.drawn([0, 1, 2], epoch=0, count=4)
    rows = zip(images.numpy(), changes.shifts.tolist(), changes.mirrored.tolist(), strict=True)
    expected = [changed(image, 2, *shift, mirrored) for image, shift, mirrored in rows]
    np.testing.assert_array_equal(BOTH.applied(images, changes).numpy(), np.stack(expected))


def test_a_shift_by_the_crop_changes_nothing():
    images = numbered().inputs
    still = Changes(torch.zeros(12, dtype=torch.bool), torch.full((12, 2), 2))
    assert torch.equal(BOTH.applied(images, still), images)


def test_all_shifts_and_both_directions_are_equally_frequent():
    mirrored, shifts = BOTH.drawn([0, 1], epoch=3, count=20_000)
    cells = torch.bincount((shifts[:, 0] * 5 + shifts[:, 1]) * 2 + mirrored, minlength=50)
    expected = 40_000 / 50
    assert len(cells) == 50
    # Chi-squared with 49 degrees of freedom: above 100 once in 30,000 cases.
    assert ((cells - expected) ** 2 / expected).sum() < 100


def test_a_seed_has_the_same_images_whichever_seeds_are_trained_with_it():
    together = Batches(numbered(), [3, 7, 11], 5, BOTH)
    alone = Batches(numbered(), [7], 5, BOTH)
    for step in range(6):
        assert torch.equal(together.at(step).inputs[1], alone.at(step).inputs[0])


def test_images_depend_on_the_step_alone_and_differ_between_epochs_and_seeds():
    forward = Batches(numbered(), [5, 6], 4, BOTH)
    images = [forward.at(step).inputs for step in range(9)]
    for step in (8, 0, 5):
        assert torch.equal(Batches(numbered(), [5, 6], 4, BOTH).at(step).inputs, images[step])
    first, later = BOTH.drawn([5, 6], 0, 100), BOTH.drawn([5, 6], 1, 100)
    assert not torch.equal(first.shifts, later.shifts)
    assert not torch.equal(first.shifts[:100], first.shifts[100:])


def test_flips_do_not_depend_on_the_crop_nor_shifts_on_the_flip():
    both = BOTH.drawn([4], 0, 50)
    assert torch.equal(both.shifts, Augmentation(crop=2).drawn([4], 0, 50).shifts)
    assert torch.equal(both.mirrored, Augmentation(crop=1, flip=True).drawn([4], 0, 50).mirrored)
    assert not Augmentation(crop=2).drawn([4], 0, 50).mirrored.any()


def test_order_and_targets_are_those_without_augmentation():
    plain, shifted = Batches(numbered(), [0, 1], 4), Batches(numbered(), [0, 1], 4, BOTH)
    for step in range(5):
        assert torch.equal(plain.at(step).targets, shifted.at(step).targets)
    assert not torch.equal(plain.at(0).inputs, shifted.at(0).inputs)


def test_images_are_changed_on_the_device_of_the_data():
    # The meta device has shapes but no values: an index on another device would fail.
    split = Split(*(part.to("meta") for part in numbered()))
    batch = Batches(split, [0, 1], 4, BOTH).at(1)
    assert batch.inputs.shape == (2, 4, 3, 5, 4)
    assert batch.inputs.device.type == "meta"


def test_the_options_reach_training_batches_and_nothing_else():
    plain, shifted = built([]), built(WORDS)
    assert not torch.equal(plain.batches.at(0).inputs, shifted.batches.at(0).inputs)
    for name, split in plain.data.splits.items():
        assert torch.equal(split.inputs, shifted.data.splits[name].inputs)
    assert shifted.data.hashes == plain.data.hashes


def test_a_killed_run_with_augmentation_resumes_to_the_bit(tmp_path):
    words = [*WORDS, "model.hidden=[6]", "trainer.steps=30", "seeds=[3,7]"]
    whole = bnrun(tmp_path / "whole", *words)
    assert_equal_runs(whole, resumed(tmp_path / "again", words, 17))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["dataset.augment.crop=8"], r"dataset.augment.crop=8 may move images of 8 x 8 .* most 7"),
        (["dataset.augment.crop=-1"], r"dataset.augment.crop=-1: should be greater than or equal"),
        (["dataset=blank", "++dataset.augment.crop=1"], "dataset.*augment.*"),
        ([*WORDS, "task=structured_prediction"], "task StructuredPrediction makes its inputs"),
    ],
)
def test_what_cannot_be_augmented_is_refused_in_a_sentence(words, error, command):
    status, _, err = command(*words, "trainer.steps=1")
    assert status
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert re.search(error, err), err


def test_a_file_of_features_is_refused(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, train_inputs=np.random.rand(20, 3), train_targets=np.arange(20) % 2)
    for augment, word in (({"flip": True}, "flip=true"), ({"crop": 1}, "crop=1")):
        with pytest.raises(DataError, match=f"dataset.augment.{word} needs images, .*mine.*\\(3,"):
            ArrayFile(path=path, augment=augment).load()
    assert not ArrayFile(path=path).load().augment.active


def test_digits_pass_their_option_on():
    assert Digits(augment={"crop": 3}).load().augment == Augmentation(crop=3)


def test_runs_from_before_the_option_existed_keep_their_names():
    config = resolved(composed([]))
    older = {**config, "dataset": {**config["dataset"]}}
    del older["dataset"]["augment"]
    assert scientific_hash(config) == scientific_hash(older)
    assert scientific(config) == scientific(older)
    assert scientific_hash(resolved(composed(WORDS))) != scientific_hash(older)


def test_augmentation_can_compete_because_the_data_of_evaluations_are_the_same():
    assert refused("dataset.augment.crop") is None
    assert refused("dataset.validation")


def settings_of_study() -> dict[str, tuple[str, ...]]:
    """Setting -> its value in each run."""
    return {c.title: c.cells for c in tabulate(find_runs([Path("study")]).runs).settings}


def test_older_runs_are_compared_with_those_without_augmentation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finish("older", [0.1, 0.2], estimator="st")
    for name, crop in (("newer", 0), ("shifted", 2)):
        path = finish(name, [0.3, 0.4], estimator="reinmax") / "result.json"
        result = json.loads(path.read_text())
        result["config"]["dataset"] = {"augment": {"crop": crop, "flip": False}}
        path.write_text(json.dumps(result))
        shown = {title: cells for title, cells in settings_of_study().items() if "augm" in title}
        assert shown == ({"dataset.augment.crop": ("0", "2", "0")} if crop else {})
