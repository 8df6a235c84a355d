"""The command line: near misses help, flags stand anywhere, and nobody need read its output."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from bnrun.config.near import alternatives, meant
from bnrun.config.words import arranged

SENTENCES = {
    "estimator=sigmod_st": "estimator=sigmod_st: no such choice, did you mean sigmoid_st?",
    "estimator=zgr": "estimator=zgr: that is estimator=reinmax",
    "estimator=Fini-2": "estimator=Fini-2: that is estimator=reinmax",
    "estimator=REINFORCE": "no such choice, did you mean reinforce?",
    "dataset=digit": "dataset=digit: no such choice, did you mean digits?",
    "estimatr=st": "estimatr: no such option, did you mean estimator?",
    "optimiser.lr=1": "optimiser.lr: no such option, did you mean optimizer.lr?",
    "optimizer.momentun=1": "did you mean optimizer.momentum?",
    "lr=0.1": "lr: no such option, did you mean optimizer.lr?",
    "zzz.q=1": "zzz.q: no such option, and no zzz either: see bnrun --cfg job",
    "trainer.qqqq=1": "trainer.qqqq: no such option, use one of trainer.epochs, trainer.steps",
    "estimator=st,arm": "estimator=st,arm: several values make a sweep, add -m",
    "trainer.epochs=1,2": "trainer.epochs=1,2: several values make a sweep, add -m",
    "optimizer.lr=interval(0.1,1)": "a range of values makes a sweep, add -m",
    "sweep.limits={tag:x}": "sweep.limits.larger_is_better: is missing, give it a value",
    "layers.1=st": "layers.1: no such option, choose an estimator for the layer: +estimator@",
    "model.hidden=[]": "model.hidden=[]: should have at least 1 item",
    "model.hidden=4": "model.hidden=4: should be a list",
    "seeds=[]": "seeds=[]: should have at least 1 item",
    "seeds=x": "seeds=x: should be a valid integer",
    "~optimizer": "optimizer: is missing, leave out ~optimizer",
    "~dataset": "dataset: is missing",
    "~trainer": "trainer",
    "~seeds": "seeds: is missing",
    "~output": "'output' not found",
    "~neuron": "'neuron' not found",
}


@pytest.mark.parametrize("word", SENTENCES)
def test_a_near_miss_names_what_was_meant(word, command, tmp_path):
    status, out, err = command(word)
    assert (status, out) == (1, "")
    assert SENTENCES[word] in err
    assert len(err.splitlines()) == 1
    assert len(err) < 500
    assert list(tmp_path.iterdir()) == []


def test_a_launcher_that_is_given_as_a_value_is_a_choice(command):
    status, _, err = command("-m", "estimator=st,arm", "hydra.launcher=joblib")
    assert status == 1
    assert err.endswith("a launcher is a choice, written with a slash: hydra/launcher=joblib\n")


def test_a_key_of_the_sweeper_is_named_once(command):
    status, _, err = command("-m", "estimator=st,arm", "hydra.sweeper.search=nope")
    assert (status, err) == (
        1,
        "bnrun: hydra.sweeper.search=nope: choose optuna, or null for none\n",
    )


def test_the_nearest_name_is_meant():
    names = ["trainer.epochs", "trainer.steps", "optimizer.lr", "a.name", "b.name", "Own"]
    assert meant("epochs", names) == "trainer.epochs"
    assert meant("trainer.step", names) == "trainer.steps"
    assert meant("own", names) == "Own"
    assert meant("name", names) in ("a.name", "b.name")
    assert meant("zzz", names) is None
    assert alternatives("zzz", ["x", "y"]) == "use one of x, y"


@given(st.permutations(["name=a", "estimator=st,arm", "+new=1", "~old", "--multirun", "-c job"]))
def test_flags_come_first_in_any_order(words):
    flat = [part for word in words for part in word.split()]
    ordered = arranged(flat)
    assert sorted(ordered) == sorted(flat)
    overrides = [word for word in ordered if "=" in word or word == "~old"]
    assert ordered[-4:] == overrides
    assert overrides == [word for word in words if "=" in word or word == "~old"]
    assert ordered[ordered.index("-c") + 1] == "job"


def test_the_home_folder_is_meant_by_a_tilde():
    home = str(Path.home())
    assert arranged(["--config-dir=~/x", "output=~/y", "dataset.root=~", "~optimizer", "a=b~"]) == [
        f"--config-dir={home}/x",
        f"output={home}/y",
        f"dataset.root={home}",
        "~optimizer",
        "a=b~",
    ]
    assert arranged(["-cd", "~/x"]) == ["-cd", f"{home}/x"]
    assert arranged(["--info", "plugins", "a=1"]) == ["--info", "plugins", "a=1"]


def test_overrides_may_stand_before_a_flag(command, tmp_path):
    status, _, err = command("name=s", "-m", "estimator=st,arm", *TINY, "sweep.dry_run=true")
    assert status == 0, err


def test_the_version_is_that_of_the_package(command):
    assert command("--version") == (0, "bnrun 0.1.0\n", "")


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        ([], "hydra.run.dir", "outputs/other/"),
        (["--package", "hydra.run"], "dir", "outputs/other/"),
        (["-p", "hydra.job"], "chdir", "False"),
    ],
)
def test_the_node_of_hydra_is_printed_resolved(words, key, value, command):
    status, out, err = command("--cfg", "hydra", "--resolve", *words, "name=other")
    assert (status, err) == (0, "")
    assert str(OmegaConf.select(OmegaConf.create(out), key)).startswith(value)


@pytest.mark.parametrize("node", ["job", "all"])
def test_the_config_is_printed_resolved(node, command):
    status, out, err = command("--cfg", node, "--resolve")
    assert (status, err) == (0, "")
    assert "estimator:" in out


def piped(folder: Path, line: str, **environment: str) -> tuple[int, str]:
    """The status of `bnrun` in a pipe of bash, and all that came out."""
    words = " ".join(f"'{word}'" for word in TINY)
    command = f"{sys.executable} -m bnrun"
    ended = subprocess.run(
        ["bash", "-c", line.format(command, words) + "; exit ${PIPESTATUS[0]}"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "line",
    [
        "{} {} | head -1",
        "{} {} 2>&1 | head -1",
        "{} {} | true",
        "{} {} 2>&1 | true",
        "{} {} >&- 2>&-",
        "{} -m {} optimizer.lr=0.1 2>&1 | true",
    ],
)
def test_a_run_whose_output_nobody_reads_ends_well(line, tmp_path):
    status, out = piped(tmp_path, line)
    assert status == 0
    assert "Error" not in out
    assert "Broken pipe" not in out
    assert len(list(tmp_path.glob("outputs/s/*/result.json"))) == 1


def test_help_into_a_closed_pipe_is_quiet(tmp_path):
    assert piped(tmp_path, "{} --help | true") == (0, "")
    status, out = piped(tmp_path, "{} --help | head -1")
    assert status == 0
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8:strict"])
def test_a_narrow_encoding_cannot_fail_a_run(encoding, tmp_path):
    line = "{} {} \"output='é漢'\" 2>/dev/null"
    status, out = piped(tmp_path, line, PYTHONIOENCODING=encoding)
    assert status == 0, out
    assert len(list(tmp_path.glob("é漢/s/*/result.json"))) == 1
