"""A mistake of configuration is one sentence; a bug is a traceback to the user's file and line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bnrun.config.errors import UserError, is_mistake
from bnrun.config.frames import chain, library

ROOT = Path(__file__).parents[1]
TINY = ["model.hidden=[6]", "trainer.steps=7", "trainer.log_every=2", "seeds=[3,7]"]
ESTIMATOR = """
import bnrun


@bnrun.validated
class Mine(bnrun.Estimator):
    gain: float = 1.0

    def __call__(self, logits, downstream, noise):
        p = self.neuron.probability({})
        return downstream(p)
"""
TASK = """
from bnrun.core.fields import validated
from bnrun.tasks.classification import Classification


@validated
class Mine(Classification):
    def before_update(self, model, firing, step, batch):
        if step == {step}:
            {bug}
"""
DATASET = """
from bnrun.core.fields import validated
from bnrun.data.digits import Digits


@validated
class Mine(Digits):
    def load(self):
        {}
"""
CLASS = """
from bnrun.core.fields import validated
from bnrun.data.digits import Digits


@validated
class Mine(Digits):
    def __post_init__(self):
        {}
"""
# group, code, line with the bug, exception
BUGS = {
    "None added to a tensor": ("estimator", ESTIMATOR.format("logits + None"), "TypeError"),
    "a typo": ("estimator", ESTIMATOR.format("logit"), "NameError"),
    "an attribute that is missing": ("estimator", ESTIMATOR.format("logits.nope"), "AttributeErr"),
    "shapes": ("estimator", ESTIMATOR.format("logits @ logits"), "RuntimeError"),
    "step 3": ("task", TASK.format(step=3, bug="{}['key']"), "KeyError"),
    "a ValueError at step 5": ("task", TASK.format(step=5, bug="int('x')"), "ValueError"),
    "a file missing at step 5": ("task", TASK.format(step=5, bug="open('no')"), "FileNotFound"),
    "a dataset": ("dataset", DATASET.format("raise ValueError('no digits')"), "ValueError"),
    "a file of a dataset": ("dataset", DATASET.format("open('nowhere.npz')"), "FileNotFound"),
    "a constructor": ("dataset", CLASS.format("self.nope"), "AttributeError"),
    "an import": ("estimator", "import no_such_module\n", "ModuleNotFoundError"),
    "syntax": ("estimator", "class Mine(:\n", "SyntaxError"),
    "an error at import": ("estimator", "1 / 0\n", "ZeroDivisionError"),
}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A function that writes mine.py and a yaml for it, and returns the words that choose it."""
    monkeypatch.syspath_prepend(tmp_path)

    def written(group, code):
        monkeypatch.delitem(sys.modules, "mine", raising=False)
        (tmp_path / "mine.py").write_text(code)
        folder = tmp_path / "my" / group
        folder.mkdir(parents=True)
        lines = {"estimator": "neuron: ${neuron}\n", "task": "", "dataset": ""}[group]
        (folder / "mine.yaml").write_text(f"_target_: mine.Mine\n{lines}")
        return ["--config-dir", str(tmp_path / "my"), f"{group}=mine"]

    yield written
    sys.modules.pop("mine", None)


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_shows_a_short_traceback_to_the_users_line_and_keeps_the_folder(
    name, mine, command, tmp_path
):
    group, code, exception = BUGS[name]
    status, out, err = command(*mine(group, code), *TINY)
    assert (status, out) == (1, "")
    lines = err.strip().splitlines()
    assert lines[-1].startswith(f"bnrun: {exception}")
    assert f"{tmp_path / 'mine.py'}, line " in lines[-1]
    files = [line.split('"')[1] for line in lines if line.strip().startswith('File "')]
    assert set(files) == {str(tmp_path / "mine.py")}
    (log,) = tmp_path.glob("outputs/default/*/run.log")
    assert "Traceback" in log.read_text()
    assert str(log) in lines[-1]


@pytest.mark.parametrize("name", ["a typo", "step 3"])
def test_a_sweep_shows_the_bug_of_a_job_and_runs_the_others(name, mine, sweep, tmp_path):
    group, code, exception = BUGS[name]
    *words, own = mine(group, code)
    other = {"estimator": "st", "task": "classification"}[group]
    status, _, err = sweep(*words, f"{own},{other}", "trainer.steps=7")
    assert status == 1
    assert f'File "{tmp_path / "mine.py"}", line ' in err
    assert f"bnrun: {exception}" in err
    (line,) = [line for line in err.splitlines() if "mine.py, line" in line and "failed: " in line]
    assert f": {exception}: " in line
    assert "sweep of 2 jobs: 1 done, 1 failed" in err


def test_a_bug_of_a_constructor_stops_a_sweep_with_its_traceback(mine, sweep, tmp_path):
    group, code, exception = BUGS["a constructor"]
    status, _, err = sweep(*mine(group, code), "optimizer.lr=0.1,0.2")
    assert status == 1
    assert f"bnrun: {exception} in {tmp_path / 'mine.py'}, line 9" in err


@pytest.mark.parametrize("words", [[], ["-m"]])
def test_hydra_full_error_shows_every_call(words, mine, tmp_path):
    group, code, exception = BUGS["None added to a tensor"]
    process = subprocess.run(
        [sys.executable, "-m", "bnrun", *words, *mine(group, code), *TINY],
        cwd=tmp_path,
        env=os.environ | {"HYDRA_FULL_ERROR": "1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    for call in ("run_job", "rehearse", "mine.py", exception):
        assert call in process.stderr


@pytest.mark.parametrize(
    ("group", "code", "sentence"),
    [
        (
            "dataset",
            "from bnrun.data.errors import DataError\n"
            + DATASET.format("raise DataError('no column x')"),
            "bnrun: no column x",
        ),
        ("dataset", CLASS.format("raise ValueError('too few')"), "bnrun: dataset: too few"),
        ("estimator", "", "Error loading 'mine.Mine'"),
    ],
)
def test_what_the_users_own_code_refuses_in_words_is_one_sentence(
    group, code, sentence, mine, command, tmp_path
):
    status, _, err = command(*mine(group, code), *TINY)
    assert status == 1
    assert sentence.format(tmp_path / "mine.py") in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_a_bug_of_the_package_is_no_mistake():
    def raised(error):
        space = {"error": error, "__name__": "x"}
        try:
            exec(compile("raise error", str(ROOT / "bnrun/core/noise.py"), "exec"), space)
        except Exception as caught:
            caught.__traceback__ = caught.__traceback__.tb_next  # without this test's own frame
            return caught

    assert not is_mistake(raised(TypeError("x")))
    assert not is_mistake(raised(AttributeError("x")))
    assert not is_mistake(raised(KeyError("x")))
    assert is_mistake(raised(ValueError("x")))
    assert is_mistake(raised(UserError("x")))


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        ("/home/me/mine.py", None),
        ("/env/lib/python3.11/site-packages/torch/nn/modules/module.py", "torch"),
        ("/usr/lib/python3/dist-packages/six.py", "six"),
        (os.__file__, "python"),
        ("<frozen importlib._bootstrap>", "python"),
        (str(ROOT / "docs" / "examples" / "mine.py"), None),
        (str(ROOT / "bnrun" / "cli.py"), "bnrun"),
        (str(ROOT / "hydra_plugins" / "bnrun_sweeper.py"), "bnrun"),
    ],
)
def test_every_file_of_code_has_an_owner(file, owner):
    assert library(file) == owner


@pytest.mark.parametrize(
    ("cause", "length"), [("", 2), ("from None", 1), ("from TypeError('cause')", 2)]
)
def test_the_chain_of_an_error_is_what_python_would_print(cause, length):
    code = f"try:\n    {{}}['x']\nexcept KeyError:\n    raise ValueError('last') {cause}"
    with pytest.raises(ValueError, match="last") as caught:
        exec(code)
    links = list(chain(caught.value))
    assert len(links) == length
    assert links[0] is caught.value
    assert all(isinstance(link, TypeError if "cause" in cause else KeyError) for link in links[1:])
