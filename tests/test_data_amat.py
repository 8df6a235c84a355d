"""Statically binarized MNIST: files are read exactly, and anything else is refused."""

import gzip

import pytest
import torch
from data_files import amat, sha256, tiny_bits

from bnrun.data.amat import Amat, parse
from bnrun.data.errors import DataError

NAMES = {split: f"tiny_{split}.amat" for split in ("train", "validation", "test")}


def source(folder, bits, **changes):
    files = {
        split: {"name": NAMES[split], "sha256": sha256(amat(rows))} for split, rows in bits.items()
    }
    return Amat(**{"name": "tiny", "mirrors": [], "root": folder, "files": files, **changes})


@pytest.mark.parametrize("compressed", [True, False])
def test_bits_are_read_exactly_plain_or_compressed(tmp_path, compressed):
    bits = tiny_bits()
    for split, rows in bits.items():
        name = NAMES[split] + ".gz" * compressed
        (tmp_path / name).write_bytes(gzip.compress(amat(rows)) if compressed else amat(rows))
    data = source(tmp_path, bits).load()
    for split, rows in bits.items():
        loaded = getattr(data, split)
        assert torch.equal(loaded.inputs, torch.from_numpy(rows).float().view(-1, 1, 28, 28))
        assert loaded.inputs.dtype == torch.float32
        assert torch.equal(loaded.targets, torch.zeros(len(rows)))
    assert data.classes == 0
    assert data.hashes[NAMES["test"]] == sha256(amat(bits["test"]))


def test_a_changed_bit_is_detected(tmp_path):
    bits = tiny_bits()
    for split, rows in bits.items():
        (tmp_path / NAMES[split]).write_bytes(amat(rows))
    damaged = bytearray(amat(bits["test"]))
    damaged[100] ^= 1
    (tmp_path / NAMES["test"]).write_bytes(damaged)
    with pytest.raises(DataError, match=r"tiny_test\.amat is damaged or not from tiny"):
        source(tmp_path, bits).load()


@pytest.mark.parametrize(
    "content", [b"", b"0 1\n0 1", b"0 2\n", b"0 1 ", b"0\n1\n", b"0,1\n", b"0 /\n", b"0 1\r\n"]
)
def test_other_content_is_refused_by_name(content):
    with pytest.raises(DataError, match=r"x\.amat (has|must have)"):
        parse(content, "x.amat", pixels=2)


def test_exactly_three_files_are_required(tmp_path):
    with pytest.raises(ValueError, match=r"dataset\.files has nothing: it must have train"):
        source(tmp_path, tiny_bits(), files={})
