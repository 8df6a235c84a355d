"""Omniglot: the MATLAB file is read exactly, and anything else is refused."""

import hashlib
from io import BytesIO

import numpy as np
import pytest
import torch
from data_files import sha256, tiny_omniglot
from data_server import serving
from scipy.io import savemat

from bnrun.data import files
from bnrun.data.errors import DataError
from bnrun.data.files import File
from bnrun.data.omniglot import Omniglot

NAME = "tiny.mat"


def matlab(arrays, **options):
    buffer = BytesIO()
    savemat(buffer, arrays, **options)
    return buffer.getvalue()


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def source(folder, content, **changes):
    if folder is not None:
        (folder / NAME).write_bytes(content)
    known = {"characters": {"name": NAME, "md5": md5(content)}}
    options = {"name": "tiny", "mirrors": [], "root": folder, "sha256_of": "published"}
    return Omniglot(**{**options, "files": known, "validation": 100, **changes})


@pytest.mark.parametrize("compressed", [True, False])
def test_images_are_upright_and_no_example_is_lost(tmp_path, compressed):
    made = tiny_omniglot()
    content = matlab(made, do_compression=compressed)
    data = source(tmp_path, content).load()
    assert (data.shape, data.classes) == ((1, 28, 28), 50)
    assert data.hashes == {NAME: sha256(content)}
    for split, kind in ((data.test, "test"), (data.train, ""), (data.validation, "")):
        numbers = split.inputs[:, 0, 0, 0].double().mul(1000).round().long()
        for number, image, target in zip(numbers.tolist(), *split, strict=True):
            column = made[f"{kind}data"][:, number]
            # As in MATLAB's reshape(column, 28, 28): down the first column, then the next.
            for row, pixel in ((0, 0), (5, 0), (0, 5), (27, 3)):
                assert image[0, row, pixel] == np.float32(column[row + 28 * pixel])
            assert made[f"{kind}target"][target, number] == 1
    held = torch.cat([data.train.inputs, data.validation.inputs])[:, 0, 0, 0]
    assert held.mul(1000).round().sort().values.tolist() == list(range(200))
    assert [len(split.targets) for split in (data.train, data.validation)] == [100, 100]
    # Four of each alphabet in all, two held out.
    assert torch.bincount(data.validation.targets).tolist() == [2] * 50


def test_the_split_depends_on_its_seed(tmp_path):
    content = matlab(tiny_omniglot())
    first, again, other = (source(tmp_path, content, split_seed=k).load() for k in (0, 0, 1))
    assert torch.equal(first.validation.inputs, again.validation.inputs)
    assert not torch.equal(first.validation.inputs, other.validation.inputs)


def test_the_file_is_downloaded_and_its_md5_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "cache_folder", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("BNRUN_DATA", raising=False)
    content = matlab(tiny_omniglot())
    with serving({NAME: content[:-1] + b"x"}) as bad, serving({NAME: content}) as good:
        with pytest.raises(DataError, match=r"tiny\.mat could not be downloaded"):
            source(None, content, mirrors=[bad.address]).load()
        assert not (tmp_path / "cache" / "tiny" / NAME).exists()
        data = source(None, content, mirrors=[bad.address, good.address]).load()
    assert len(data.test.targets) == 50
    assert (tmp_path / "cache" / "tiny" / NAME).read_bytes() == content


def test_a_changed_byte_is_detected(tmp_path):
    content = matlab(tiny_omniglot())
    loader = source(tmp_path, content)
    (tmp_path / NAME).write_bytes(content[:-1] + b"x")
    with pytest.raises(DataError, match=r"tiny\.mat is damaged .* the md5 of the file is"):
        loader.load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": None}, r"tiny\.mat has no data: it must have"),
        ({"data": np.zeros((783, 200))}, "must be arrays of numbers with 784 and 50"),
        ({"data": np.zeros((784, 199))}, "must be arrays of numbers with 784 and 50"),
        ({"data": np.full((784, 200), 1.5)}, r"pixels in \[0, 1\]"),
        ({"data": np.full((784, 200), np.nan)}, r"pixels in \[0, 1\]"),
        ({"data": np.full((784, 200), "x", dtype=object)}, "must be arrays of numbers"),
        ({"testtarget": np.ones((50, 50))}, "one alphabet for each image"),
        ({"testtarget": np.eye(50) / 2}, "one alphabet for each image"),
    ],
)
def test_other_content_is_refused_by_name(tmp_path, change, message):
    arrays = {name: a for name, a in {**tiny_omniglot(), **change}.items() if a is not None}
    with pytest.raises(DataError, match=message):
        source(tmp_path, matlab(arrays)).load()


@pytest.mark.parametrize("cut", [0, 3, 100, 200, 3000, -9])
def test_broken_files_are_refused(tmp_path, cut):
    content = matlab(tiny_omniglot(), do_compression=True)[:cut]
    with pytest.raises(DataError, match=r"tiny\.mat (is not a MATLAB file|has no)"):
        source(tmp_path, content).load()


def test_what_does_not_fit_is_refused(tmp_path):
    content = matlab(tiny_omniglot())
    with pytest.raises(DataError, match=r"out of 200 with dataset\.validation=200"):
        source(tmp_path, content, validation=200).load()
    with pytest.raises(ValueError, match="it must have characters"):
        source(tmp_path, content, files={})
    for sums in ({}, {"sha256": "0" * 64, "md5": "0" * 32}):
        with pytest.raises(ValueError, match="give one of them"):
            File(name="x", **sums)
