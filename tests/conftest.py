"""Fixtures of all tests."""

import sys

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def double():
    """Float64 for everything that the test builds."""
    torch.set_default_dtype(torch.float64)


@pytest.fixture(autouse=True)
def _restored_settings():
    """A training sets these for its process; the next test must not inherit them."""
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_flush_denormal(False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, and a terminal so wide that every table fits."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)


TINY = ["model.hidden=[6]", "trainer.steps=4", "trainer.log_every=2", "seeds=[3,7]", "name=s"]


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """A function that calls `bnrun` here and returns exit status, standard output and errors."""

    def call(*words):
        from bnrun import cli

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["bnrun", *words])
        # The command line sets this for its process; the next test must not inherit it.
        with monkeypatch.context() as patch:
            patch.setenv("HYDRA_FULL_ERROR", "")
            patch.delenv("HYDRA_FULL_ERROR")
            status = 0
            try:
                cli.main()
            except SystemExit as leave:
                status = leave.code
        return status, *capfd.readouterr()

    return call


@pytest.fixture
def sweep(command):
    """The same for `bnrun -m` of tiny runs."""
    return lambda *words: command("-m", *words, *TINY)
