"""Paths begin where the command was started, and ~ is the home folder, for every path."""

from pathlib import Path

import numpy as np
import pytest
from conftest import TINY


@pytest.fixture
def data(tmp_path) -> list[str]:
    """Words of a dataset in mine.npz of the working folder."""
    inputs = np.random.default_rng(0).random((80, 5), dtype=np.float32)
    np.savez(tmp_path / "mine.npz", train_inputs=inputs, train_targets=inputs.argmax(1))
    return ["dataset=file", "dataset.path=mine.npz", "trainer.batch_size=10", *TINY]


@pytest.mark.parametrize("words", [[], ["-m"]])
def test_relative_paths_begin_where_the_command_was_started(words, data, command, tmp_path):
    status, _, err = command(*words, "hydra.job.chdir=true", *data)
    assert status == 0, err
    assert len(list(tmp_path.glob("outputs/s/*/result.json"))) == 1
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("quote", ["", "'"])
def test_a_tilde_is_the_home_folder_in_every_path(quote, data, command, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "mine.npz").rename(home / "mine.npz")
    (home / "my" / "estimator").mkdir(parents=True)
    (home / "my" / "estimator" / "own.yaml").write_text("defaults: [st, _self_]\n")
    monkeypatch.setenv("HOME", str(home))
    status, _, err = command(
        *("--config-dir=~/my", "estimator=own", *data),
        *(f"output={quote}~/x{quote}", f"dataset.path={quote}~/mine.npz{quote}"),
    )
    assert status == 0, err
    assert len(list(home.glob("x/s/*/result.json"))) == 1
    assert not (tmp_path / "~").exists()
