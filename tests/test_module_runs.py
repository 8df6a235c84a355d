"""model=module on the command line: words, messages, receipts, sweeps, reports, resumed runs."""

import hashlib
import json
import sys

import pytest
import torch
from runs import assert_equal_runs, bnrun, crashed

import bnrun as package
from bnrun.report_cli import main as report

SMALL = ["trainer.steps=12", "trainer.log_every=1", "trainer.evaluate_every=0.2", "seeds=[3,7]"]
RESIDUAL = ["model=module", "model.target=nets.Residual"]


@pytest.mark.parametrize(
    "words",
    [
        ["estimator=relax", "model.args.width=2", "optimizer=adam", "scheduler=cosine"],
        ["model.target=nets.Convolutional", "gradients.every=0.2", "gradients.draws=4"],
    ],
    ids=["residual", "convolutional"],
)
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(words, tmp_path):
    words = [*RESIDUAL, *words, *SMALL]
    whole = bnrun(tmp_path / "whole", *words)
    crashed(tmp_path / "killed", 9, *words, "checkpoint.every_steps=4")
    resumed = bnrun(tmp_path / "killed", *words, "checkpoint.every_steps=4")
    assert_equal_runs(whole, resumed)
    state = torch.load(whole / "checkpoint.pt", weights_only=True)["training"]["parts"]["model"]
    norm = state["norm1.running_mean" if "norm1.running_mean" in state else "norm.running_mean"]
    assert norm.shape[0] == 2
    assert (norm != 0).all()


MINE = """
import torch
from torch import nn

import bnrun

TWO = 2


class Net(nn.Module):
    def __init__(self, outputs, width=4):
        super().__init__()
        if width % 2:
            raise ValueError("width must be even")
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(64, width), bnrun.Binary(), nn.Linear(width, outputs)
        )

    def forward(self, x):
        if x.shape[1] == 7:
            return self.nothing
        return self.layers(x)


class Strict(Net):
    def __init__(self, outputs, width):
        super().__init__(outputs, width)


class Wrong(Net):
    def forward(self, x):
        return self.layers(x) + self.missing


def made(depth=1):
    return [depth]
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """mine.py in the folder where `command` calls bnrun."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "broken.py").write_text("import nothing_like_this\n")
    yield tmp_path / "mine.py"
    for name in ("mine", "broken"):
        sys.modules.pop(name, None)


STEPS = ["trainer.steps=4", "trainer.log_every=2", "seeds=[3,7]", "name=s"]
SENTENCES = {
    "model.seed=1": "model.seed: no such option",
    "seeds=1": "model.target: has no value yet, give it one (model.target=...)",
    "model.target=Net": "model: target=Net: name the file as well",
    "model.target=nowhere.Net": "model: target=nowhere.Net: there is no nowhere.py in the folder",
    "model.target=mine.net": "model: target=mine.net: mine has no net, did you mean Net?",
    "model.target=mine.TWO": "is neither a subclass of nn.Module nor a function that makes one",
    "model.target=mine.made": "model.target=mine.made: returned a list, and not an nn.Module",
    "model.target=mine.Strict": "model: args.width: mine.Strict needs it, set model.args.width=...",
    "model.target=mine.Net model.args.widht=8": (
        "model: args.widht: mine.Net has no such argument, did you mean width?"
    ),
    "model.target=mine.Net model.args.width=3": (
        "model.args: mine.Net refuses its arguments: width must be even"
    ),
    "model.target=mine.Net task=vae": "choose model=vae",
    "model.target=mine.Net trainer.products=bfloat16": "set trainer.products=null",
    "model.target=mine.Net task=gated": "set task.max_norm=null",
    "model.target=mine.Net +estimator@layers.2=st +neuron@layers.2.neuron=sbn": (
        "layers.2: the model has binary layers 1 to 1"
    ),
}


@pytest.mark.parametrize("words", SENTENCES)
def test_a_mistake_is_one_sentence(words, mine, command):
    status, out, err = command("model=module", *STEPS, *words.split())
    assert (status, out) == (1, "")
    assert SENTENCES[words] in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("target", "line"), [("mine.Wrong", "self.missing"), ("broken.Net", "nothing_like_this")]
)
def test_a_bug_of_the_module_keeps_its_traceback(target, line, mine, command):
    status, _, err = command("model=module", f"model.target={target}", *STEPS)
    assert status == 1
    assert line in err
    assert "a bug of that code, not a setting" in err


def test_the_receipt_names_the_file_and_notices_its_change(mine, command, tmp_path):
    words = ["model=module", "model.target=mine.Net", "model.args.width=6", *STEPS]
    assert command(*words)[0] == 0
    (path,) = tmp_path.glob("outputs/s/*/result.json")
    result = json.loads(path.read_text())
    own = {str(mine): hashlib.sha256(mine.read_bytes()).hexdigest()}
    assert result["receipt"]["own_code"] == own
    assert result["config"]["model"]["args"] == {"width": 6}
    assert "model.args.width=6" in path.parent.name
    assert "skipped, because it is done" in command(*words)[2]
    mine.write_text(MINE + "\n")
    assert "was computed by other code: " in command(*words)[2]


def test_arguments_are_swept_over_and_compared(mine, command, tmp_path, capfd):
    words = ["model=module", "model.target=mine.Net", "model.args.width=4,6", *STEPS]
    assert command("-m", *words)[0] == 0
    assert len(list(tmp_path.glob("outputs/s/*/result.json"))) == 2
    assert report([str(tmp_path / "outputs/s"), "--by", "model.args.width"]) == 0
    table = capfd.readouterr().out
    assert "args.width" in table


def test_a_run_from_python_takes_the_same_words(mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = package.run("model=module", "model.target=mine.Net", "model.args.width=8", *STEPS)
    assert run.result["config"]["model"]["args"] == {"width": 8}
