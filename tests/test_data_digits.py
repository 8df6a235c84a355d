import hashlib

import numpy as np
import pytest
import torch

from bnrun.data import digits
from bnrun.data.digits import Digits
from bnrun.data.errors import DataError
from bnrun.data.partition import partition


def test_packaged_table_equals_scikit_learns_public_loader():
    packaged = digits.read_packaged()
    assert packaged is not None
    np.testing.assert_array_equal(packaged, digits.read_public())


def test_public_loader_serves_where_the_packaged_file_is_gone(monkeypatch):
    expected = Digits().load()
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    got = Digits().load()
    assert torch.equal(got.train.inputs, expected.train.inputs)
    assert got.hashes == expected.hashes


def test_splits_have_1297_200_300_digits_with_every_class_in_proportion():
    data = Digits().load()
    assert [len(split.targets) for split in (data.train, data.validation, data.test)] == [
        1297,
        200,
        300,
    ]
    assert data.shape == (1, 8, 8)
    assert data.classes == 10
    for split in (data.train, data.validation, data.test):
        assert split.inputs.shape[1:] == data.shape
        share = torch.bincount(split.targets, minlength=10) / len(split.targets)
        assert (share - 0.1).abs().max() < 0.01


def test_inputs_are_float32_from_0_to_1():
    inputs = Digits().load().train.inputs
    assert inputs.dtype == torch.float32
    assert inputs.min() == 0
    assert inputs.max() == 1


def test_splits_share_no_example_and_lose_none():
    data = Digits().load()
    rows = torch.cat(
        [
            torch.cat([split.inputs.flatten(1) * 16, split.targets[:, None]], 1)
            for split in (data.train, data.validation, data.test)
        ]
    )
    table = torch.from_numpy(digits.read_packaged()).float()

    def ordered(rows: torch.Tensor) -> list[list[float]]:
        return sorted(rows.tolist())

    assert ordered(rows) == ordered(table)


def test_split_is_the_same_for_ever():
    # A different value means that results are no longer comparable with earlier ones.
    data = Digits().load()
    splits = data.train.targets, data.validation.targets, data.test.targets
    sums = [hashlib.sha256(targets.numpy().tobytes()).hexdigest()[:16] for targets in splits]
    assert sums == ["81f227c83372945e", "5144f9e7b81f95d1", "dc13fb29ec9463ed"]


def test_split_seed_changes_the_split():
    first, second = Digits().load(), Digits(split_seed=1).load()
    assert not torch.equal(first.test.inputs, second.test.inputs)


def test_changed_table_is_refused(monkeypatch):
    table = digits.read_packaged().copy()
    table[0, 0] += 1
    monkeypatch.setattr(digits, "read_packaged", lambda: table)
    with pytest.raises(DataError, match=r"digits are not the known ones: sha256 is [0-9a-f]{64}"):
        Digits().load()


def test_splits_that_leave_nothing_for_training_are_refused():
    with pytest.raises(DataError, match=r"dataset.validation=1000 and dataset.test=797 leave"):
        Digits(validation=1000, test=797).load()


@pytest.mark.parametrize("option", ["validation", "test"])
def test_sizes_below_one_are_refused_by_name(option):
    with pytest.raises(ValueError, match=option):
        Digits(**{option: 0})


def test_partition_keeps_rare_classes_in_every_part():
    targets = np.repeat([0, 1, 2], [900, 90, 10])
    parts = partition(targets, [100, 200], seed=3)
    assert [len(part) for part in parts] == [100, 200, 700]
    assert sorted(np.concatenate(parts)) == list(range(1000))
    for part in parts:
        counts = np.bincount(targets[part], minlength=3)
        np.testing.assert_allclose(counts, len(part) * np.array([0.9, 0.09, 0.01]), atol=1.01)


def test_partition_depends_on_the_seed_alone():
    targets = np.arange(50) % 5
    first, second = partition(targets, [10], seed=0), partition(targets, [10], seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], partition(targets, [10], seed=1)[0])
