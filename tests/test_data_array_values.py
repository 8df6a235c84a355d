"""Arrays in files are read as they are meant, or refused with the file's name."""

import io
import struct
import zipfile

import numpy as np
import pytest
import torch
from made_up_data import refusal

from bnrun.data.arrays import ArrayFile


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


A = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)
T = np.arange(200) % 10


def loading(path, **options):
    return refusal(ArrayFile(path=path, **options).load)


@pytest.mark.parametrize("largest", [0, 1, 16, 100, 127])
@pytest.mark.parametrize("name", ["train", "test"])
def test_bytes_that_do_not_reach_128_are_refused(tmp_path, largest, name):
    arrays = {"train_inputs": A, "train_targets": T, "test_inputs": A, "test_targets": T}
    arrays[f"{name}_inputs"] = (A % (largest + 1)).astype(np.uint8)
    path = saved(tmp_path / "mine.npz", **arrays)
    message = loading(path)
    assert f"{path}: {name}_inputs is uint8 with values up to {largest}, but uint8 is" in message
    assert "save bits as bool" in message


def test_labels_from_1_are_refused_unless_the_empty_class_is_meant(tmp_path):
    path = saved(tmp_path / "mine.npz", train_inputs=A, train_targets=T % 5 + 1)
    message = loading(path)
    assert "train_targets has no example of class 0, but targets up to 5" in message
    assert "or set dataset.classes=6 if the class is meant to be empty" in message
    assert ArrayFile(path=path, classes=6).load().classes == 6
    assert "train_targets[4] is 5, but targets must be within 0 .. 4" in loading(path, classes=5)


def test_a_gap_between_classes_is_refused(tmp_path):
    path = saved(tmp_path / "mine.npz", train_inputs=A, train_targets=np.where(T == 7, 8, T))
    assert "train_targets has no example of class 7, but targets up to 9" in loading(path)


@pytest.mark.parametrize("value", [10**12, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_huge_target_is_named(tmp_path, value):
    targets = T.astype(np.uint64)
    targets[17] = value
    path = saved(tmp_path / "mine.npz", train_inputs=A, train_targets=targets)
    assert f"{path}: train_targets[17] is {value}, " in loading(path)
    message = loading(path, classes=10)
    assert f"train_targets[17] is {value}" in message


def test_channels_last_are_refused(tmp_path):
    images = np.repeat(A[..., None], 3, -1)
    path = saved(tmp_path / "mine.npz", train_inputs=images, train_targets=T)
    message = loading(path)
    assert "train_inputs has examples of shape (8, 8, 3), which looks like" in message
    assert "put channels first" in message
    path = saved(tmp_path / "mine.npz", train_inputs=images.transpose(0, 3, 1, 2), train_targets=T)
    assert ArrayFile(path=path).load().shape == (3, 8, 8)


def damaged(member):
    """A .npz file whose train_inputs is these bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, train_targets=T)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("train_inputs.npy", member)
    return buffer.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


BROKEN = {
    "open bracket": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (200, 8, 8"),
    "open string": npy("{'descr': '|u1"),
    "nested": npy("(" * 110),
    "no dictionary": npy("3"),
    "unknown type": npy("{'descr': '|zz9', 'fortran_order': False, 'shape': (2,), }"),
    "negative shape": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }", b"12"),
    "truncated": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (200, 8, 8), }", b"1234"),
    "enormous": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }", b"1"),
    "too long": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", b"1234"),
    "later version": b"\x93NUMPY\x07\x00" + bytes(20),
    "no array": b"hello",
    "nothing": b"",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_damaged_array_is_named_with_its_file(tmp_path, case):
    path = tmp_path / "mine.npz"
    path.write_bytes(damaged(BROKEN[case]))
    message = loading(path)
    assert message.startswith(f"{path}: train_inputs cannot be read: ")
    if case in ("truncated", "enormous", "too long"):
        assert "its header describes shape (" in message


def test_torch_tensors_that_are_no_plain_numbers_are_named(tmp_path):
    path = tmp_path / "mine.pt"
    torch.save({"train_inputs": torch.eye(5).to_sparse(), "train_targets": torch.arange(5)}, path)
    assert f"{path}: train_inputs must be a dense tensor" in loading(path)
