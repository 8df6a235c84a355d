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
