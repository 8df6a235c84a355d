"""Help, shell completion and config errors load no slow library. Nothing is timed here."""

import copy
import os
import re
import subprocess
import sys

import pytest
from hydra.core.config_store import ConfigStore

import bnrun.config.compose  # noqa: F401  # makes Hydra share its store

ANSWERS = {
    "help": ["--help"],
    "config": ["--cfg", "job"],
    "completion": ["-sc", "query=bash"],
    "a value out of range": ["trainer.epochs=-1"],
    "a choice that does not exist": ["estimator=nope"],
    "a group that does not exist": ["nosuch=1"],
    "an option that does not exist": ["trainer.epoch=1"],
}
# None of them is needed to tell what is wrong with a config; torch alone takes 1.7 s to import.
SLOW = {"torch", "numpy", "scipy", "polars", "tensorboard", "matplotlib", "jinja2"}


def answer(folder, words, **variables):
    line = "bnrun estimator=disa"
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bnrun", *words],
        cwd=folder,
        env=os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))} | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("question", ANSWERS)
def test_an_answer_waits_for_no_slow_import(question, tmp_path):
    trace = answer(tmp_path, ANSWERS[question]).stderr
    modules = re.findall(r"^import time: .*\| +(\S+)$", trace, re.M)
    imported = {name.split(".")[0] for name in modules}
    assert {"bnrun", "hydra"} <= imported
    assert not imported & SLOW


def test_the_bar_of_a_run_waits_for_no_slow_import(tmp_path):
    done = answer(tmp_path, ["trainer.steps=3"], FORCE_COLOR="1")  # as in a terminal
    assert done.returncode == 0, done.stderr[-2000:]
    before = done.stderr.partition("loading torch and the data")[0]
    imported = set(re.findall(r"^import time: .*\| +(\w+)", before, re.M))
    assert "rich" in imported
    assert not imported & SLOW


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_run_does_not_load_torch_compile(optimizer, tmp_path):
    words = [f"optimizer={optimizer}", "scheduler=cosine", "trainer.steps=3", "trainer.log_every=1"]
    done = answer(tmp_path, words)
    assert done.returncode == 0, done.stderr[-2000:]
    modules = set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.M))
    assert "torch.optim" in modules
    assert not modules & {"torch._dynamo", "torch._inductor", "sympy"}  # .8 s together


def test_completion_knows_the_choices(tmp_path):
    assert answer(tmp_path, ANSWERS["completion"]).stdout.split() == ["estimator=disarm"]


def test_what_is_loaded_from_the_shared_store_is_a_copy():
    store = ConfigStore.instance()
    assert copy.deepcopy(store) is store
    store.load("hydra/config.yaml").node.verbose = True
    assert not store.load("hydra/config.yaml").node.verbose
