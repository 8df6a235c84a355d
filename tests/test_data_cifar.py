"""CIFAR-10: binary records are read exactly, and anything else is refused."""

import numpy as np
import pytest
import torch
from data_files import cifar_archive, packed, sha256, tiny_cifar
from hydra.utils import instantiate
from omegaconf import OmegaConf

from bnrun.config.paths import CONFIGS
from bnrun.data.cifar import Cifar10
from bnrun.data.errors import DataError


def source(folder, content, **changes):
    (folder / "tiny.tar.gz").write_bytes(content)
    files = {"archive": {"name": "tiny.tar.gz", "sha256": sha256(content)}}
    options = {"name": "tiny", "mirrors": [], "root": folder, "sha256_of": "published"}
    return Cifar10(**{**options, "files": files, "validation": 3, **changes})


def test_images_and_targets_are_read_exactly(tmp_path):
    made = tiny_cifar()
    data = source(tmp_path, cifar_archive(made)).load()
    records = np.concatenate([made[f"data_batch_{k}"] for k in range(1, 6)])
    expected = torch.from_numpy(records[:, 1:]).float().view(-1, 3, 32, 32) / 255
    assert torch.equal(torch.cat([data.train.inputs, data.validation.inputs]), expected)
    targets = torch.cat([data.train.targets, data.validation.targets])
    assert targets.tolist() == records[:, 0].tolist()
    assert [len(split.targets) for split in (data.train, data.validation, data.test)] == [17, 3, 4]
    assert data.test.targets.tolist() == made["test_batch"][:, 0].tolist()
    assert (data.shape, data.classes) == ((3, 32, 32), 10)
    assert data.train.inputs.dtype == torch.float32
    assert list(data.hashes) == ["tiny.tar"]


def test_planes_are_red_green_blue_and_rows_go_from_left_to_right(tmp_path):
    made = tiny_cifar()
    record = made["data_batch_1"][0]
    record[1:] = 0
    record[1 + 2 * 1024 + 5 * 32 + 7] = 255
    data = source(tmp_path, cifar_archive(made)).load()
    assert data.train.inputs[0].nonzero().tolist() == [[2, 5, 7]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "test_batch.bin has 0 bytes, not a multiple of 3073"),
        (bytes(3072), "test_batch.bin has 3072 bytes"),
        (bytes([10]) + bytes(3072), "test_batch.bin has the target 10: it must have"),
    ],
)
def test_other_content_is_refused_by_name(tmp_path, content, message):
    made = tiny_cifar()
    with pytest.raises(DataError, match=message):
        source(tmp_path, cifar_archive({**made, "test_batch": content})).load()


def test_other_archives_are_refused(tmp_path):
    made = tiny_cifar()
    with pytest.raises(DataError, match="is not an archive"):
        source(tmp_path, packed(cifar_archive(made)[:-50])).load()
    del made["test_batch"]
    with pytest.raises(DataError, match=r"tiny\.tar\.gz is not an archive .*test_batch"):
        source(tmp_path, cifar_archive(made)).load()
    with pytest.raises(DataError, match="is not an archive"):
        source(tmp_path, packed(b"hello")).load()
    with pytest.raises(ValueError, match="it must have archive"):
        source(tmp_path, b"", files={})


def test_validation_that_leaves_nothing_is_refused(tmp_path):
    content = cifar_archive(tiny_cifar())
    with pytest.raises(DataError, match=r"no training examples .* out of 20 .*validation=20"):
        source(tmp_path, content, validation=20).load()


def test_config_names_the_published_binary_archive():
    config = instantiate(OmegaConf.load(CONFIGS / "dataset" / "cifar10.yaml"))
    assert config.files["archive"].name == "cifar-10-binary.tar.gz"
    assert config.sha256_of == "published"
    assert config.validation == 5000
