"""What a run shows while it trains: the training loss, and its task's goal on validation."""

import io
import json
import re

import pytest
import torch
from configured import built
from rich.console import Console
from runs import bnrun

from bnrun.recording.records import Record
from bnrun.run.bar import Bar
from bnrun.run.execute import way_of
from bnrun.run.progress import Headline, _with_bar, _with_lines

ACCURACY = {"score": "accuracy", "way": None, "larger_is_better": True}
SMALL = ["model.hidden=[4]", "seeds=[3,7]", "trainer.steps=2", "trainer.batch_size=5"]
SMALL += ["trainer.evaluate_examples=5", "trainer.final_examples=5", "trainer.log_every=1"]
TASKS = {
    "classification": ([], "validation accuracy sampled"),
    "dbn": (["neuron=dbn"], "validation accuracy thresholded"),
    "real": (["neuron=real", "estimator=backprop"], "validation accuracy mean-field"),
    "vae": (["task=vae", "model=vae", "model.latent=[4]"], "validation nll averaged"),
    "autoencoder": (["task=autoencoder"], "validation mse sampled"),
    "structured": (["task=structured_prediction"], "validation nll averaged"),
    "toy": (["task=toy", "model=bits", "dataset=blank"], "validation expected_loss"),
}


def words_for(task):
    words, text = TASKS[task]
    small = SMALL[1:] if task == "toy" else SMALL
    return [*small, *words], text


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("show", ["lines", "bar"])
def test_every_task_shows_its_goal_and_its_loss(task, show):
    words, text = words_for(task)
    training = built(words)
    console = Console(file=io.StringIO(), width=400, force_terminal=show == "bar")
    headline = Headline(training.task.goal, way_of(training))
    if show == "bar":
        with Bar(console) as bar:
            list(_with_bar(training.run(), training.total, "title", console, headline, bar))
    else:
        list(_with_lines(training.run(), training.total, "title", console, headline))
    lines = [line for line in console.file.getvalue().splitlines() if "title" in line]
    assert text in lines[-1]
    if show == "lines":
        assert "loss " in lines[-1]
        assert [line.split(", ")[1] for line in lines] == ["step 0", "step 2"]


@pytest.mark.parametrize("task", TASKS)
def test_bar_steps_time_score_and_loss_fit_into_80_columns(task):
    words, text = words_for(task)
    training = built(words)
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    headline = Headline(training.task.goal, "sampled")
    with Bar(console) as bar:
        list(_with_bar(training.run(), 20_000, "title", console, headline, bar))
    lines = (
        re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", console.file.getvalue())
        .replace("\r", "\n")
        .splitlines()
    )
    bars = [line for line in lines if "steps" in line]
    score = text.split()[1]
    assert re.search(
        rf"/20000 steps +[-:0-9]+ {score} -?[0-9.e+-]+(, loss [0-9.e+-]+)? *$", bars[-1]
    )
    assert {line.index("/20000 steps") for line in bars} == {22}
    assert all(len(line) <= 80 for line in bars)


def test_a_run_that_fails_before_its_first_step_leaves_no_bar_on_the_screen():
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with pytest.raises(KeyError), Bar(console):
        raise KeyError
    shown = console.file.getvalue()
    assert "loading torch and the data" in shown
    assert shown.endswith("\x1b[1A\x1b[2K")  # one line up, and that line is erased


def test_what_is_printed_to_a_file_goes_there_while_there_is_a_bar(capsys):
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with Bar(console):
        print("from the user's dataset")
    assert capsys.readouterr().out == "from the user's dataset\n"
    assert "user's" not in console.file.getvalue()


@pytest.mark.parametrize("quiet", [True, False])
def test_a_bar_is_for_terminals_that_are_not_quiet(quiet):
    console = Console(file=io.StringIO(), width=80, force_terminal=quiet, quiet=quiet)
    with Bar(console) as bar:
        bar.begin(10)
        bar.update(5, "")
    assert console.file.getvalue() == ""


def test_lines_say_how_long_the_rest_takes_at_the_pace_so_far():
    score = {"accuracy/validation/sampled": torch.tensor([0.5])}
    steps = [(0, 10.0), (50, 60.0), (150, 70.0), (200, 100.0)]
    records = [Record(step, step / 100, seconds, score) for step, seconds in steps]
    console = Console(file=io.StringIO(), width=400)
    list(_with_lines(records, 200, "title", console, Headline(ACCURACY, "sampled")))
    first, second, third, last = console.file.getvalue().splitlines()
    assert "left" not in first + last
    assert second.endswith(", about 2 min left")  # 150 steps at 1 s
    assert third.endswith(", about 20 s left")  # 50 steps at 0.4 s


def test_a_headline_is_a_mean_over_the_finite_seeds():
    headline = Headline(ACCURACY, "sampled")
    assert not headline.update({"loss/train": torch.tensor([1.0, float("nan"), 2.0])})
    assert headline.update({"accuracy/validation/sampled": torch.tensor([0.5, float("nan"), 1.0])})
    assert not headline.update({"accuracy/test/sampled": torch.tensor([0.0])})
    assert str(headline) == "loss 1.500, validation accuracy sampled 0.750"


def test_a_goal_in_a_way_of_its_own_takes_that_way():
    values = {f"nll/validation/{way}": torch.tensor([n]) for n, way in enumerate("ab")}
    values = {tag: value.float() for tag, value in values.items()}
    headline = Headline({"score": "nll", "way": "b", "larger_is_better": False}, "a")
    headline.update(values)
    assert str(headline) == "validation nll b 1.000"


def test_a_goal_that_was_not_evaluated_in_the_neurons_way_takes_the_first_way():
    headline = Headline(ACCURACY, "sampled")
    headline.update({"accuracy/validation/exact": torch.tensor([0.5])})
    assert str(headline) == "validation accuracy exact 0.500"


@pytest.mark.parametrize(
    ("words", "way"),
    [
        ([], "sampled"),
        (["neuron=dbn"], "thresholded"),
        (["neuron=real", "estimator=backprop"], "mean_field"),
        (["neuron._target_=own_neuron.MyDBN"], "thresholded"),
        (["+estimator@layers.1=st", "+neuron@layers.1.neuron=dbn"], "thresholded"),
    ],
)
def test_a_result_names_its_neurons_way_of_evaluating(words, way, tmp_path, monkeypatch):
    """Whatever the name of the neuron's class or of its yaml."""
    (tmp_path / "own_neuron.py").write_text(
        "import bnrun\nfrom bnrun.core.neurons import DBN\n\n\n"
        "@bnrun.validated\nclass MyDBN(DBN):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = bnrun(tmp_path / "study", *SMALL, *words)
    assert json.loads((run / "result.json").read_text())["way"] == way
