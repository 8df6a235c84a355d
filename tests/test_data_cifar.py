"""CIFAR-10: batches read exactly, and no pickle gets to run anything."""

import os
import pickle

import numpy as np
import pytest
import torch
from data_files import cifar_archive, packed, pickled, sha256, tiny_cifar

from bnrun.data.cifar import Cifar10, unpickled
from bnrun.data.errors import DataError


def source(folder, content, **changes):
    (folder / "tiny.tar.gz").write_bytes(content)
    files = {"archive": {"name": "tiny.tar.gz", "sha256": sha256(content)}}
    options = {"name": "tiny", "mirrors": [], "root": folder, "sha256_of": "published"}
    return Cifar10(**{**options, "files": files, "validation": 3, **changes})


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_images_and_targets_are_read_exactly(tmp_path, protocol):
    made = tiny_cifar()
    data = source(tmp_path, cifar_archive(pickled(made, protocol))).load()
    images = np.concatenate([made[f"data_batch_{k}"][b"data"] for k in range(1, 6)])
    expected = torch.from_numpy(images).float().view(-1, 3, 32, 32) / 255
    assert torch.equal(torch.cat([data.train.inputs, data.validation.inputs]), expected)
    assert [len(split.targets) for split in (data.train, data.validation, data.test)] == [17, 3, 4]
    assert data.test.targets.tolist() == made["test_batch"][b"labels"]
    assert (data.shape, data.classes) == ((3, 32, 32), 10)


def test_the_published_form_is_read():
    """Written by Python 2 and its NumPy: latin-1 strings, numpy.core, no _codecs."""
    text = (
        b"(dp1\nS'labels'\np2\n(lp3\nI7\nasS'data'\np4\ncnumpy.core.multiarray\n_reconstruct\np5\n"
        b"(cnumpy\nndarray\np6\n(I0\ntp7\nS'b'\np8\ntp9\nRp10\n(I1\n(I1\nI4\ntp11\ncnumpy\ndtype\n"
        b"p12\n(S'u1'\np13\nI0\nI1\ntp14\nRp15\n(I3\nS'|'\np16\nNNNI-1\nI-1\nI0\ntp17\nbI00\n"
        b"S'\\x00\\x01\\xfe\\xff'\np18\ntp19\nbs."
    )
    found = unpickled(text, "x")
    assert found[b"labels"] == [7]
    assert found[b"data"].values.tolist() == [[0, 1, 254, 255]]


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "attack",
    [
        Malicious(os.mkdir, "hurt"),
        Malicious(eval, "__import__('os').mkdir('hurt')"),
        Malicious(np.load, "x.npy"),
        Malicious(getattr, "", "format"),
        np.array([Malicious(os.mkdir, "hurt")], dtype=object),
        np.dtype([("x", object)]),
    ],
    ids=["function", "eval", "numpy", "getattr", "array of objects", "dtype"],
)
def test_a_malicious_file_builds_nothing(tmp_path, monkeypatch, attack):
    monkeypatch.chdir(tmp_path)
    made = pickled(tiny_cifar())
    made["data_batch_3"] = pickle.dumps({b"data": attack, b"labels": [1]})
    with pytest.raises(DataError, match=r"data_batch_3 .*do not trust it"):
        source(tmp_path, cifar_archive(made)).load()
    assert not (tmp_path / "hurt").exists()


@pytest.mark.parametrize(
    "batch",
    [
        {b"labels": [1]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]},
        {b"data": np.zeros((1, 10), np.uint8), b"labels": [1]},
        [1],
    ],
)
def test_other_content_is_refused_by_name(tmp_path, batch):
    made = pickled(tiny_cifar())
    made["test_batch"] = pickle.dumps(batch)
    with pytest.raises(DataError, match=r"test_batch (has no|must have)"):
        source(tmp_path, cifar_archive(made)).load()


def test_broken_archives_and_pickles_are_refused(tmp_path):
    made = pickled(tiny_cifar())
    with pytest.raises(DataError, match=r"data_batch_1 is damaged"):
        source(tmp_path, cifar_archive({**made, "data_batch_1": made["data_batch_1"][:-9]})).load()
    del made["test_batch"]
    with pytest.raises(DataError, match=r"tiny\.tar\.gz is no archive .*test_batch"):
        source(tmp_path, cifar_archive(made)).load()
    with pytest.raises(DataError, match="is no archive"):
        source(tmp_path, packed(b"hello")).load()
    with pytest.raises(ValueError, match="it must have archive"):
        source(tmp_path, b"", files={})


def test_validation_that_leaves_nothing_is_refused(tmp_path):
    made = pickled(tiny_cifar())
    with pytest.raises(DataError, match=r"validation=20 leaves nothing of 20"):
        source(tmp_path, cifar_archive(made), validation=20).load()
