"""bnrun-check and bnrun.check on functions that return gradient draws by themselves."""

import numpy as np
import pytest
import torch

import bnrun
from bnrun.conformance import check, report
from bnrun.conformance.draws import measure_draws
from bnrun.conformance.measurement import exact_gradients
from bnrun.conformance.problems import problems
from bnrun.estimators.tools.contract import ContractError


def arm(logits, loss, draws, seed, factor=1.0):
    uniforms = np.random.default_rng(seed).random((draws, *logits.shape))
    p = 1 / (1 + np.exp(-logits))
    difference = loss((uniforms > 1 - p) * 1.0) - loss((uniforms < p) * 1.0)
    return factor * difference[..., None] * (uniforms - 0.5)


def straight_through(logits, loss, draws, seed):
    p = 1 / (1 + np.exp(-logits))
    bits = np.random.default_rng(seed).random((draws, *logits.shape)) < p
    return loss.gradient(bits) * p * (1 - p)


def enumeration(logits, loss, draws, seed):
    """The gradient itself, by flipping one bit of every pattern."""
    units = logits.shape[-1]
    patterns = (np.arange(2**units)[:, None] >> np.arange(units)) & 1
    bits = np.broadcast_to(patterns[:, None], (2**units, *logits.shape))
    p = 1 / (1 + np.exp(-logits))
    weights = np.where(bits, p, 1 - p).prod(-1, keepdims=True)
    gradient = (weights * loss(bits)[..., None] * (bits - p)).sum(0)
    return np.broadcast_to(gradient, (draws, *logits.shape))


def reinforce_in_torch(logits, loss, draws, seed):
    generator = torch.Generator().manual_seed(seed)
    p = torch.from_numpy(logits).sigmoid().expand(draws, *logits.shape)
    bits = torch.bernoulli(p, generator=generator)
    return loss(bits)[..., None] * (bits - p)


def relaxed_in_torch(logits, loss, draws, seed):
    """The gradient at the probabilities, through the graph of the loss."""
    leaf = torch.from_numpy(logits).expand(draws, *logits.shape).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf.sigmoid()).sum(), leaf)
    return gradient


@pytest.mark.parametrize("function", [arm, reinforce_in_torch])
def test_a_right_function_agrees_with_enumeration_on_every_net(function):
    found = bnrun.check(function)
    assert found["net"].to_list() == [problem.name for problem in problems()]
    assert found["gradient"].unique().to_list() == ["logits"]
    assert found["unbiased"].all()
    assert (found["draws"] > 4000).all()


def test_a_wrong_function_is_found():
    # Forgetting that ARM's second pattern is u < p, and not its complement.
    def wrong(logits, loss, draws, seed):
        uniforms = np.random.default_rng(seed).random((draws, *logits.shape))
        p = 1 / (1 + np.exp(-logits))
        difference = loss((uniforms < p) * 1.0) - loss((uniforms > p) * 1.0)
        return difference[..., None] * (uniforms - 0.5)

    assert not bnrun.check(wrong)["unbiased"].any()


def test_an_error_of_a_tenth_is_found():
    assert not bnrun.check(arm, factor=1.1)["unbiased"].any()
    assert not bnrun.check(arm, factor=0.9)["unbiased"].any()


def test_a_biased_estimator_is_exact_only_where_theory_says():
    found = bnrun.check(straight_through).filter("unbiased")
    assert found["net"].to_list() == ["1 layer, multilinear"]
    relaxed = bnrun.check(relaxed_in_torch).filter("unbiased")
    assert relaxed["net"].to_list() == ["1 layer, multilinear"]


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
def test_the_loss_is_that_of_the_net_with_the_rest_enumerated(problem):
    measured = measure_draws(enumeration, problem)
    exact = exact_gradients(problem)["logits"]
    torch.testing.assert_close(measured.draws["logits"][0], exact, rtol=1e-9, atol=1e-9)
    assert measured.evaluations.total == 2 ** problem.stages[0][0].shape[-1] / 64


def test_variance_is_that_of_the_same_estimator_of_ours():
    ours = bnrun.check("arm").filter(gradient="logits")
    theirs = bnrun.check(arm)
    one_layer = theirs["net"].str.starts_with("1 layer,")  # ours samples the later layers
    ratio = (theirs["variance"] / ours["variance"]).filter(one_layer)
    assert ((ratio > 0.9) & (ratio < 1.1)).all()


def one_seed(logits, loss, draws, seed):
    return arm(logits, loss, draws, 0)


def copies(logits, loss, draws, seed):
    return np.repeat(arm(logits, loss, 1, seed), draws, 0)


def mean(logits, loss, draws, seed):
    return arm(logits, loss, draws, seed).mean(0)


def infinite(logits, loss, draws, seed):
    return arm(logits, loss, draws, seed) / 0.0


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (one_seed, "the same draws for two seeds"),
        (copies, "copies of one draw"),
        (mean, r"shape \[3, 5\] for 64 draws .* must be \[draws, B, U\], \[64, 3, 5\]"),
        (infinite, "not finite"),
    ],
)
def test_draws_that_cannot_be_judged_are_refused(function, message):
    with pytest.raises(ContractError, match=message):
        bnrun.check(function)


def test_an_estimator_is_checked_from_python_too():
    found = bnrun.check("disarm")
    assert set(found["gradient"]) == {"logits", "upstream", "downstream", "loss"}
    assert found["unbiased"].all()
    with pytest.raises(bnrun.UserError, match="not a class or a function"):
        bnrun.check(3)
    with pytest.raises(bnrun.UserError, match="check its class, or its name"):
        bnrun.check(bnrun.load_estimator("disarm"))
    assert bnrun.check(type(bnrun.load_estimator("disarm")))["unbiased"].all()


FILE = """
import numpy as np


def arm(logits, loss, draws, seed, factor=1.0):
    uniforms = np.random.default_rng(seed).random((draws, *logits.shape))
    p = 1 / (1 + np.exp(-logits))
    difference = loss((uniforms > 1 - p) * 1.0) - loss((uniforms < p) * 1.0)
    return factor * difference[..., None] * (uniforms - 0.5)


def claims(*, factor=1.0):
    def function(logits, loss, draws, seed):
        return arm(logits, loss, draws, seed, factor)

    function.unbiased = True
    return function


right, wrong = claims(), claims(factor=2.0)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run bnrun-check beside functions.py; returns its exit status, output and error output."""
    (tmp_path / "functions.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "problems", lambda: problems()[1:3])

    def run(*words):
        status = check.main(words)
        out, err = capsys.readouterr()
        return status, " ".join(out.split()), err

    return run


def test_the_command_line_takes_such_a_function(run):
    status, out, _ = run("functions.py:arm")
    assert status == 0
    assert "No bias found: draws agree with enumeration on all 2 nets" in out
    assert "set `unbiased = True` on the function" in out
    assert "Cost: 2 downstream evaluations per draw on 5 units, 0 of them" in out
    assert "after" not in out.replace("by the weights after", "after")
    assert run("functions.py:right")[:1] == (0,)
    status, out, _ = run("functions.py:wrong")
    assert status == 1
    assert "BIASED, though it claims to be unbiased" in out
    assert run("functions.py:arm", "factor=2.0")[0] == 0
    status, _, err = run("functions.py:arm", "--neuron=dbn")
    assert (status, err.count("\n")) == (2, 1)
    assert "draws of an SBN" in err
    status, _, err = run("functions.py:arm", "--noise=normal")
    assert (status, err.count("\n")) == (2, 1)
    assert "draws of an SBN with logistic noise, leave it out" in err
