"""Every configs/dataset/*.yaml, read as a user's run reads it."""

from pathlib import Path

import pytest
from data_files import files, tiny_mnist, write
from hydra.utils import instantiate
from omegaconf import OmegaConf

from bnrun.data.base import Data

FOLDER = Path(__file__).parents[1] / "configs" / "dataset"
IDX = ["mnist", "fashion_mnist", "kmnist"]


def load(name: str, **options: object) -> Data:
    config = OmegaConf.merge(OmegaConf.load(FOLDER / f"{name}.yaml"), options)
    return instantiate(config).load()


def test_digits_config_loads():
    assert load("digits").name == "digits"


def test_file_config_loads(tmp_path):
    import numpy as np

    path = tmp_path / "my.npz"
    np.savez(path, train_inputs=np.zeros((20, 3)), train_targets=np.arange(20) % 2)
    assert load("file", path=str(path)).classes == 2


@pytest.mark.parametrize("name", IDX)
def test_idx_configs_load_files_of_the_published_names(tmp_path, name):
    contents = tiny_mnist()
    write(tmp_path, contents)
    kind = OmegaConf.load(FOLDER / f"{name}.yaml").sha256_of
    data = load(name, root=str(tmp_path), files=files(contents, kind), validation=10)
    assert data.name == name
    assert [len(split.targets) for split in (data.train, data.validation, data.test)] == [
        50,
        10,
        20,
    ]


@pytest.mark.parametrize("name", IDX)
def test_idx_configs_keep_the_published_split_and_prefer_https(name):
    source = instantiate(OmegaConf.load(FOLDER / f"{name}.yaml"))
    assert source.name == name
    assert source.validation == 5000
    assert source.root is None
    assert len(source.mirrors) >= 2
    assert all(mirror.startswith("https://") for mirror in source.mirrors)
    assert len({file.sha256 for file in source.files.values()}) == 4


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_first_line_says_how_to_select_the_dataset(path):
    assert path.read_text().startswith(f"# dataset={path.stem}")
