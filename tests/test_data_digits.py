"""The digits are always the same file, split in the same way."""

import gzip
import hashlib

import numpy as np
import pytest
import torch

from bnrun.data import digits
from bnrun.data.digits import Digits
from bnrun.data.errors import DataError
from bnrun.data.partition import partition


def test_hash_of_the_digits_is_the_one_in_earlier_results():
    expected = "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"
    assert Digits().load().hashes == {"digits": expected}


def test_the_licence_lies_beside_the_file_and_names_its_hash():
    text = digits.FILE.with_name("optdigits.LICENSE.txt").read_text()
    assert "CC BY 4.0" in text
    assert hashlib.sha256(gzip.decompress(digits.FILE.read_bytes())).hexdigest() in text


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
    lines = gzip.decompress(digits.FILE.read_bytes()).decode().splitlines()
    table = torch.tensor([[float(value) for value in line.split(",")] for line in lines])

    def ordered(rows: torch.Tensor) -> list[list[float]]:
        return sorted(rows.tolist())

    assert ordered(rows) == ordered(table)


def test_split_never_changes():
    # A different value means that results are no longer comparable with earlier ones.
    data = Digits().load()
    splits = data.train.targets, data.validation.targets, data.test.targets
    sums = [hashlib.sha256(targets.numpy().tobytes()).hexdigest()[:16] for targets in splits]
    assert sums == ["81f227c83372945e", "5144f9e7b81f95d1", "dc13fb29ec9463ed"]


def test_split_seed_changes_the_split():
    first, second = Digits().load(), Digits(split_seed=1).load()
    assert not torch.equal(first.test.inputs, second.test.inputs)


def test_a_changed_or_damaged_file_is_refused(monkeypatch, tmp_path):
    content = gzip.decompress(digits.FILE.read_bytes())
    changed = tmp_path / "optdigits.tes.gz"
    changed.write_bytes(gzip.compress(b"1" + content[1:]))
    monkeypatch.setattr(digits, "FILE", changed)
    with pytest.raises(DataError, match=r"tes\.gz is damaged: its sha256 is [0-9a-f]{64}"):
        Digits().load()
    changed.write_bytes(changed.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"tes\.gz is damaged: "):
        Digits().load()


def test_splits_that_leave_nothing_for_training_are_refused():
    with pytest.raises(DataError, match=r"out of 1797 with dataset.test=797 and dataset\.val"):
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
