"""The toy problem with a known gradient."""

import math

import pytest
import torch
from configured import built

from bnrun.tasks.toy import Toy


def training(*words):
    common = ["task=toy", "model=bits", "dataset=blank", "seeds=[3,7]", "dtype=float64"]
    return built([*common, "trainer.batch_size=1000", *words])


def gradient(run):
    """The gradient of one step with respect to the logits, [R, U]."""
    batch = run.batches.at(0)
    loss = run.network(run.estimators, batch, run.noise)(batch.inputs)
    (actual,) = torch.autograd.grad(loss.mean(-1).sum(), list(run.model.parameters()))
    return actual[:, 0]


@pytest.mark.parametrize("units", [1, 5])
@pytest.mark.parametrize("target", [0.45, 0.499, 0.9])
@pytest.mark.parametrize("logit", [-3.0, 0.0, 1.3])
def test_the_exact_gradient_is_that_of_the_formula(units, target, logit):
    words = [f"model.units={units}", f"task.target={target}", f"model.logit={logit}"]
    actual = gradient(training("estimator=exact", *words))
    p = 1 / (1 + math.exp(-logit))
    expected = torch.full_like(actual, p * (1 - p) * (1 - 2 * target) / units)
    assert actual.shape == (2, units)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_the_expected_loss_is_the_mean_over_the_bits():
    run = training("estimator=exact", "model.logit=0.7", "task.target=0.3")
    p = torch.sigmoid(torch.tensor(0.7)).item()
    expected = p * 0.7**2 + (1 - p) * 0.3**2
    scalars = run.observed()["scalars"]
    for way in ("thresholded", "sampled", "mean_field"):
        assert scalars[f"expected_loss/test/{way}"].tolist() == pytest.approx([expected] * 2, 1e-9)
        assert scalars[f"probability/test/{way}"].tolist() == pytest.approx([p] * 2, 1e-9)
    assert scalars["loss/test/thresholded"].tolist() == pytest.approx([0.7**2] * 2, 1e-9)
    # 10,000 samples of a loss whose two values are .49 and .09.
    error = 0.4 * math.sqrt(p * (1 - p) / 10_000)
    for mean in scalars["loss/test/averaged"].tolist():
        assert abs(mean - expected) < 4 * error


@pytest.mark.parametrize(("estimator", "rests"), [("sigmoid_st", True), ("disarm", False)])
def test_straight_through_rests_where_the_probability_is_the_target(estimator, rests):
    target = 0.45
    logit = math.log(target / (1 - target))
    words = [f"estimator={estimator}", f"task.target={target}", f"model.logit={logit}"]
    run = training(*words, "model.units=50")
    draws = torch.cat([gradient(run) for _ in range(20)]).flatten() * 50
    z = draws.mean() / draws.std() * math.sqrt(len(draws))
    assert (abs(z) < 4) == rests


def test_training_on_the_exact_gradient_ends_at_the_best_bits():
    run = training("estimator=exact", "optimizer.lr=200", "trainer.steps=200")
    *_, last = run.run()
    assert last.scalars["expected_loss/test/sampled"].tolist() == pytest.approx(
        [0.499**2] * 2, 1e-3
    )


def test_the_defaults_of_the_class_are_those_of_its_yaml():
    assert built(["task=toy", "model=bits", "dataset=blank", "seeds=1"]).task == Toy()
