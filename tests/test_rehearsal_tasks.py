"""Before step 1: a gradient at every layer, one loss and score per example, a goal that exists."""

import numpy as np
import pytest
import torch
from rehearsals import chain, refusal, run_of

from bnrun.core.neurons import SBN
from bnrun.estimators.base import Estimator, fire
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.measurement.observation import Tap
from bnrun.tasks.classification import Classification

# Estimators.


class Detached(Estimator):
    """Fires bits that do not depend on the logits for autograd."""

    def __call__(self, logits, downstream, noise):
        return downstream(fire(self.neuron, logits.detach(), noise))


@pytest.mark.parametrize("layer", [1, 2])
def test_an_estimator_that_gives_no_gradient_is_named_with_its_layer(layer):
    estimators = [SigmoidST(neuron=SBN()), SigmoidST(neuron=SBN())]
    estimators[layer - 1] = Detached(neuron=SBN())
    message = refusal(run_of(chain(), estimators))
    assert f"layer {layer}: estimator Detached returned a loss that gives no gradient" in message


def test_an_estimator_that_gives_no_gradient_later_is_named():
    run = run_of(chain(), [Detached(neuron=SBN())] * 2)
    with pytest.raises(ValueError, match="estimator Detached returned a loss that gives no grad"):
        run.logged_update()


def test_a_layer_before_which_nothing_is_trained_has_no_gradient_to_log():
    model = chain()
    model.stages[0].requires_grad_(False)
    run = run_of(model)
    run.rehearse()
    scalars = run.logged_update()
    assert "gradient/logits/layer2" in scalars
    assert "gradient/logits/layer1" not in scalars
    assert Tap(model, run.estimators).gradient_norm(0, 2) is None


# Tasks.


def task_with(loss=None, scores=None, evaluated=None, goal=None):
    class Mine(Classification):
        def loss(self, model, batch, fired):
            losses = super().loss(model, batch, fired)
            return losses if loss is None else loss(losses)

        def scores(self, model, batch, fired):
            values = super().scores(model, batch, fired)
            return values if scores is None else scores(values)

        def evaluate(self, *arguments):
            values = super().evaluate(*arguments)
            return values if evaluated is None else evaluated(values)

    if goal:
        Mine.goal = goal
    return run_of(chain(), task=Mine())


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (lambda losses: losses.mean(), []),
        (lambda losses: losses.mean(-1), [3]),
        (lambda losses: losses[..., None], [3, 4, 1]),
        (lambda losses: losses.transpose(-1, -2), [4, 3]),
        (lambda losses: losses.mean(-2, keepdim=True), [1, 4]),
        (lambda losses: losses.mean(-1, keepdim=True), [3, 1]),
    ],
)
def test_a_loss_that_is_not_one_per_example_is_refused(loss, shape):
    message = refusal(task_with(loss))
    assert f"task Mine.loss returned shape {shape}: it must return one loss per" in message
    assert "[*S, R, B], here [3, 4]" in message


def test_a_loss_that_is_no_tensor_is_refused():
    message = refusal(task_with(lambda losses: losses.detach().numpy()), TypeError)
    assert message == "task Mine.loss returned a ndarray, not a tensor"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_before_the_first_update_is_refused(value):
    def loss(losses):
        return torch.where(torch.arange(3)[:, None] == 1, value, losses)

    message = refusal(task_with(loss))
    assert f"task Mine: the loss of an example before the first update is {value}" in message
    assert "(seed 7)" in message


@pytest.mark.parametrize(
    ("change", "shape"),
    [(lambda v: v.mean(-1), [3]), (lambda v: v.mT, [4, 3]), (lambda v: v[..., None], [3, 4, 1])],
)
def test_a_score_that_is_not_one_per_example_is_refused(change, shape):
    run = task_with(scores=lambda values: values | {"accuracy": change(values["accuracy"])})
    message = refusal(run)
    assert f"task Mine: the score accuracy (thresholded) has shape {shape}, but must" in message
    assert "[R, B], here [3, 4]" in message


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda evidence: evidence.logsumexp(0), [3, 4, 3]),
        (lambda evidence: evidence.sum((-1, -2)), [2, 3]),
        (lambda evidence: evidence.transpose(0, 1), [3, 2, 4, 3]),
    ],
)
def test_evidence_without_the_axis_of_samples_is_refused(change, shape):
    class Mine(Classification):
        def evidence(self, model, batch, fired):
            return change(super().evidence(model, batch, fired))

    message = refusal(run_of(chain(), task=Mine()))
    assert f"task Mine.evidence returned shape {shape}, but must return [K, R, B, ...]" in message


def test_a_score_of_a_set_that_is_not_one_per_seed_is_refused():
    run = task_with(evaluated=lambda scores: scores | {"set": {"sampled": torch.zeros(())}})
    with pytest.raises(ValueError, match=r"Mine.evaluate returned shape \[\] for the score set"):
        run.observed()


@pytest.mark.parametrize("goal", [("hits", None), ("accuracy", "averagely")])
def test_a_goal_that_is_not_among_the_scores_is_refused(goal):
    run = task_with(goal={"score": goal[0], "way": goal[1], "larger_is_better": True})
    message = refusal(run)
    assert f"task Mine: its goal is the score {goal[0]}" in message
    assert "its scores are accuracy (thresholded, sampled, averaged, mean_field), loss (" in message
