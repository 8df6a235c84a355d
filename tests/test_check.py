"""bnrun-check: its findings, its exit status, and one sentence for each mistake."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bnrun.conformance import check, report, timing
from bnrun.conformance.problems import problems


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(report, "problems", lambda: problems()[1:3])
    monkeypatch.setattr(timing, "ROUNDS", 5)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The current folder, which holds my_estimators.py."""
    shutil.copy(Path(__file__).with_name("users_estimators.py"), tmp_path / "my_estimators.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("my_estimators", "checked_my_estimators"):
        sys.modules.pop(name, None)


@pytest.fixture
def run(capsys):
    """Run bnrun-check; returns its exit status, output and error output."""

    def run(*words):
        status = check.main(words)
        captured = capsys.readouterr()
        return status, " ".join(captured.out.split()), captured.err

    return run


def assert_sentence(error: str, *parts: str) -> None:
    assert error.startswith("bnrun-check: ")
    assert len(error.splitlines()) == 1, error
    for part in parts:
        assert part in error


@pytest.mark.usefixtures("mine")
def test_own_estimator_that_claims_to_be_unbiased_and_is_passes(run):
    status, out, _ = run("my_estimators.Whole")
    assert status == 0
    assert "Unbiased, as it claims: gradients and loss agree with enumeration on all 2 nets" in out
    assert "in any gradient would have been found" in out
    assert "Keeps the rules of a call" in out
    assert "Cost: 1 downstream evaluation per call on 5 units, 0 of them differentiated" in out
    assert "times the time of sigmoid_st" in out


@pytest.mark.usefixtures("mine")
def test_own_estimator_that_claims_to_be_unbiased_and_is_not_fails(run):
    status, out, _ = run("my_estimators.Half")
    assert status == 1
    assert "BIASED, though it claims to be unbiased:" in out
    assert "- 1 layer, quadratic: the gradient with respect to the logits is off by" in out
    assert "The value of the loss shows no bias on any net." in out
    assert "The gradient with respect to the logits is biased on every net." in out


@pytest.mark.usefixtures("mine")
def test_own_estimator_that_claims_nothing_may_be_biased(run):
    status, out, _ = run("my_estimators.Modest")
    assert status == 0
    assert "Biased, and it does not claim otherwise." in out


@pytest.mark.usefixtures("mine")
def test_own_estimator_without_bias_gets_the_advice_to_claim_it(run):
    status, out, _ = run("my_estimators.Humble")
    assert status == 0
    assert "set `unbiased = True` on the class" in out


@pytest.mark.parametrize("target", ["my_estimators.Plain", "my_estimators.function"])
@pytest.mark.usefixtures("mine")
def test_any_callable_of_the_three_arguments_is_checked(run, target):
    status, out, _ = run(target)
    assert status == 0
    assert "Biased, and it does not claim otherwise." in out


def test_class_in_a_file_elsewhere_finds_the_modules_beside_it(run, mine, monkeypatch):
    (mine / "helper.py").write_text("from my_estimators import Half\n")
    (mine / "other.py").write_text("import helper\n\nclass Mine(helper.Half):\n    factor = 1.0\n")
    (mine / "deeper").mkdir()
    monkeypatch.chdir(mine / "deeper")
    status, out, _ = run("../other.py:Mine")
    assert status == 0
    assert "Unbiased, as it claims" in out


@pytest.mark.usefixtures("mine")
def test_fields_reach_the_constructor_with_their_types(run):
    status, out, _ = run("my_estimators.Sized", "size=2")
    assert status == 1
    assert re.search(r"the value of the loss is off by (99|100)\.", out)


@pytest.mark.usefixtures("mine")
def test_table_has_a_row_for_each_net_and_a_column_for_each_figure(run):
    _, out, _ = run("my_estimators.Plain")
    for words in ("1 layer, quadratic, signed", "bias", "z", "variance", "cosine of mean", "draws"):
        assert words in out


def test_configured_estimator_is_checked_by_name_with_fields(run):
    status, out, _ = run("rloo", "samples=3")
    assert status == 0
    assert "Unbiased, as it claims" in out
    assert "Cost: 3 downstream evaluations" in out


def test_estimator_that_refuses_the_mlp_is_not_timed_and_the_output_says_why(run):
    _, out, _ = run("exact")
    assert "any error would have been found" in out
    assert "not timed: estimator exact would enumerate 2^100 patterns" in out


def test_dbn_is_compared_with_the_sbn_and_the_output_says_so(run):
    status, out, _ = run("sigmoid_st", "--neuron", "dbn")
    assert status == 0
    assert "compared with the exact gradient of an SBN at the same logits" in out
    assert "The gradient of a DBN is zero" in out


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["disarmed"], ["estimator=disarmed: no such choice, did you mean disarm?"]),
        (["disarm", "--neuron", "dbn"], ["does not support neuron DBN", "neuron=sbn"]),
        (
            ["disarm", "--neuron", "real"],
            ["--neuron=real: not a binary neuron, use one of sbn, dbn"],
        ),
        (
            ["disarm", "--noise", "gaussian"],
            ["--noise=gaussian: not a law of noise, use one of logistic, normal, uniform"],
        ),
        (["rloo", "samples=1"], ["samples=1", "greater than or equal to 2"]),
        (
            ["rloo", "sample=3"],
            ["sample: the estimator has no such field, use one of neuron, samples"],
        ),
        (["my_estimator.Half"], ["my_estimator: no such module", "path/to/file.py:Class"]),
        (["my_estimators.Halve"], ["my_estimators.Halve: my_estimators has no Halve"]),
        (["my_estimator.py:Half"], ["my_estimator.py: no such file"]),
        (
            ["my_estimators.CONSTANT"],
            ["my_estimators.CONSTANT is of type int, not a class or a function"],
        ),
        (
            ["my_estimators.NotCallable"],
            ["not callable", "__call__(self, logits, downstream, noise)"],
        ),
        (["my_estimators.TwoArguments"], ["(logits, downstream, noise): too many positional"]),
        (["my_estimators.function", "slope=2"], ["cannot be called", "slope"]),
        (["my_estimators.Unfinished"], ["is abstract: give it a __call__("]),
        (["my_estimators.Half", "factor"], ["factor: not of the form key=value"]),
        (["my_estimators.Half", "factor=2"], ["unexpected keyword argument 'factor'", "neuron"]),
        (["my_estimators.Sized", "size=big"], ["size=big", "valid integer"]),
        (
            ["my_estimators.WrongShape"],
            ["returned a loss of shape []", "it must return [*S, R, B]"],
        ),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else None,
)
def test_mistake_is_explained_in_one_sentence(run, words, parts):
    status, _, err = run(*words)
    assert status == 2
    assert_sentence(err, *parts)


def test_exception_in_user_code_is_shown_with_only_its_own_frames(run, mine):
    status, _, err = run("my_estimators.Crashes")
    assert status == 2
    lines = err.splitlines()
    assert lines[0].startswith("Traceback")
    assert f'File "{mine / "my_estimators.py"}"' in lines[1]
    assert "AttributeError: 'Crashes' object has no attribute 'missing'" in err
    assert lines[-1] == "bnrun-check: my_estimators.Crashes raised AttributeError"
    assert "conformance" not in err


@pytest.mark.parametrize("target", ["broken.Any", "broken.py:Any"])
def test_exception_on_import_is_shown_with_only_the_frames_of_user_code(run, mine, target):
    (mine / "broken.py").write_text("import no_such_package_at_all\n")
    status, _, err = run(target)
    assert status == 2
    assert f'File "{mine / "broken.py"}", line 1' in err.splitlines()[1]
    assert "ModuleNotFoundError: No module named 'no_such_package_at_all'" in err


def test_command_exits_with_the_status(mine):
    command = [sys.executable, "-m", "bnrun.conformance.check", "my_estimators.Half"]
    done = subprocess.run(command, cwd=mine, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "BIASED, though it claims" in done.stdout
    assert done.stderr == ""


def test_help_explains_the_exit_status(capsys):
    with pytest.raises(SystemExit):
        check.main(["--help"])
    assert "1 it claims `unbiased = True` and is biased" in capsys.readouterr().out


def test_a_member_has_no_bias_on_multilinear_losses_under_its_own_law_alone(run, monkeypatch):
    monkeypatch.setattr(report, "problems", lambda: problems()[:2])
    for noise, exact in (("normal", True), ("uniform", False)):
        status, out, _ = run("gaussian_st", "--noise", noise)
        assert status == 0
        assert f"at the same logits, {noise} noise" in out
        unbiased = "to the logits shows no bias on: 1 layer, multilinear" in out
        assert unbiased == exact, out
        assert "Keeps the rules of a call" in out
