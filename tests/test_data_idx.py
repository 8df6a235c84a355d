"""Datasets in IDX files: where they are searched, and that only exact copies are read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import NAMES, idx, options, packed, sha256, tiny_mnist, write

from bnrun.data import files
from bnrun.data.errors import DataError
from bnrun.data.idx import Idx, parse


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and no $BNRUN_DATA."""
    monkeypatch.setattr(files, "cache_folder", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("BNRUN_DATA", raising=False)
    return tmp_path / "cache"


def recoloured(contents: dict[str, bytes]) -> dict[str, bytes]:
    """The same files with other images: valid, but not the expected ones."""
    images = contents["train_images"]
    return {**contents, "train_images": images[:-1] + bytes([images[-1] ^ 1])}


@pytest.mark.parametrize("compressed", [True, False])
def test_images_and_targets_are_read_exactly(cache, tmp_path, compressed):
    contents = tiny_mnist()
    write(tmp_path, contents, compressed)
    data = Idx(**options(contents, root=tmp_path)).load()

    images = np.frombuffer(contents["train_images"], np.uint8, offset=16).reshape(60, 1, 28, 28)
    expected = torch.from_numpy(images.copy()).float() / 255
    assert torch.equal(torch.cat([data.train.inputs, data.validation.inputs]), expected)
    assert torch.equal(
        torch.cat([data.train.targets, data.validation.targets]), torch.arange(60) % 10
    )
    assert torch.equal(data.test.targets, torch.arange(20) % 10)
    assert data.train.inputs.dtype == torch.float32
    assert data.train.targets.dtype == torch.int64
    assert data.shape == (1, 28, 28)
    assert data.classes == 10
    assert data.hashes["t10k-labels-idx1-ubyte"] == sha256(contents["test_targets"])


def test_validation_is_the_end_of_the_training_files(cache, tmp_path):
    contents = tiny_mnist()
    write(tmp_path, contents)
    data = Idx(**options(contents, root=tmp_path, validation=7)).load()
    assert [len(split.targets) for split in (data.train, data.validation, data.test)] == [53, 7, 20]
    assert torch.equal(data.validation.targets, torch.arange(53, 60) % 10)


def test_places_are_searched_in_order(cache, tmp_path, monkeypatch):
    # All four places have the files; each is damaged in turn, and must be the one in the message.
    contents = tiny_mnist()
    common, extra = tmp_path / "common", tmp_path / "extra"
    root = tmp_path / "root"
    places = [root, common / "tiny", extra, cache / "tiny"]
    for place in places:
        write(place, contents)
    monkeypatch.setenv("BNRUN_DATA", str(common))

    def load(root: Path | None) -> None:
        Idx(**options(contents, root=root, folders=[extra])).load()

    for place in places:
        write(place, recoloured(contents))
        with pytest.raises(DataError, match=str(place)):
            load(root if place == root else None)
        for path in place.iterdir():
            path.unlink()
    with pytest.raises(DataError, match="could not be downloaded"):
        load(None)


def test_data_folder_without_this_dataset_is_skipped(cache, tmp_path, monkeypatch):
    contents = tiny_mnist()
    write(cache / "tiny", contents)
    monkeypatch.setenv("BNRUN_DATA", str(tmp_path))
    assert len(Idx(**options(contents)).load().test.targets) == 20


def test_data_folder_that_does_not_exist_is_refused(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("BNRUN_DATA", str(tmp_path / "typo"))
    with pytest.raises(DataError, match=r"BNRUN_DATA=.*typo is not a folder: set it"):
        Idx(**options(tiny_mnist())).load()


def test_missing_file_in_root_is_one_sentence_and_nothing_is_downloaded(cache, tmp_path):
    with pytest.raises(DataError) as caught:
        Idx(**options(tiny_mnist(), root=tmp_path, mirrors=["http://127.0.0.1:9/"])).load()
    assert str(caught.value) == (
        f"dataset.root={tmp_path} has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz: "
        f"correct it, or leave it out to have tiny found or downloaded"
    )


def test_wrong_checksum_names_file_and_both_sums_and_leaves_the_file(cache, tmp_path):
    contents, other = tiny_mnist(), recoloured(tiny_mnist())
    write(cache / "tiny", other)
    with pytest.raises(DataError) as caught:
        Idx(**options(contents, mirrors=["http://127.0.0.1:9/"])).load()
    path = cache / "tiny" / NAMES["train_images"]
    assert str(caught.value) == (
        f"{path} is damaged or not from tiny: the sha256 of its uncompressed bytes is "
        f"{sha256(other['train_images'])}, but {sha256(contents['train_images'])} is expected; "
        f"remove it or replace it by a good copy"
    )
    assert path.read_bytes() == packed(other["train_images"])


def test_truncated_local_file_is_refused_by_name(cache, tmp_path):
    contents = tiny_mnist()
    write(tmp_path, contents)
    path = tmp_path / NAMES["test_images"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz is damaged: "):
        Idx(**options(contents, root=tmp_path)).load()


def test_checksums_of_published_files_accept_only_exact_copies(cache, tmp_path):
    contents = tiny_mnist()
    source = Idx(**options(contents, root=tmp_path, sha256_of="published"))
    write(tmp_path, contents, compressed=False)
    with pytest.raises(DataError, match=r"has no train-images-idx3-ubyte\.gz: "):
        source.load()
    write(tmp_path, contents)
    data = source.load()
    assert data.hashes["train-images-idx3-ubyte"] == sha256(contents["train_images"])
    path = tmp_path / NAMES["train_images"]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match="the sha256 of the file is"):
        source.load()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_targets": idx(np.zeros(59, np.uint8))}, "60 images .* has 59 targets"),
        (
            {"test_targets": idx(np.full(20, 10, np.uint8))},
            "has the target 10, but dataset.classes",
        ),
        ({"train_images": b"\0\0\x0d\x03" + bytes(12)}, "is not an IDX file of unsigned bytes"),
        (
            {"train_images": idx(np.zeros((60, 28, 28), np.uint8))[:-1]},
            "should have 60 x 28 x 28 bytes",
        ),
        ({"test_images": idx(np.zeros((20, 9, 9), np.uint8))}, "test images of tiny differ"),
    ],
)
def test_inconsistent_content_is_refused_even_if_its_checksum_is_right(
    cache, tmp_path, changed, message
):
    contents = {**tiny_mnist(), **changed}
    write(tmp_path, contents)
    with pytest.raises(DataError, match=message):
        Idx(**options(contents, root=tmp_path)).load()


def test_empty_and_short_files_are_refused():
    for content in (b"", b"\0\0\x08\x03", b"<html>"):
        with pytest.raises(DataError, match="x is not an IDX file"):
            parse(content, "x", axes=3)


def test_validation_that_leaves_nothing_is_refused(cache, tmp_path):
    contents = tiny_mnist()
    write(tmp_path, contents)
    with pytest.raises(DataError, match=r"left out of 60 with dataset.validation=60"):
        Idx(**options(contents, root=tmp_path, validation=60)).load()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mirrors": ["ftp://x/"]}, "mirrors"),
        ({"mirrors": ["https://x"]}, "mirrors"),
        ({"sha256_of": "md5"}, "sha256_of"),
        ({"validation": 0}, "validation"),
        ({"rooot": "x"}, "rooot"),
    ],
)
def test_wrong_options_are_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        Idx(**options(tiny_mnist(), **wrong))


def test_exactly_four_files_are_required(cache):
    contents = tiny_mnist()
    del contents["test_targets"]
    with pytest.raises(ValueError, match=r"dataset.files has .*: it must have train_images"):
        Idx(**options(contents))
