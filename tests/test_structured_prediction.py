"""The structured_prediction task: halves, likelihoods by enumeration, many samples in chunks."""

import pytest
import torch
from alone import assert_trained_as_alone
from configured import built

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise, stream
from bnrun.data.base import Data, Split
from bnrun.estimators.exact import patterns
from bnrun.models.mlp import MLP
from bnrun.tasks.structured_prediction import StructuredPrediction
from bnrun.tasks.tools import ways
from bnrun.tasks.tools.ways import evaluate_ways

SEEDS = [3, 7]
TASK = StructuredPrediction(binarization="none")


def images(height=5, examples=20):
    values = torch.from_numpy(stream(0, "images").random((examples, 2, height, 3)))
    split = Split(values, torch.zeros(examples, dtype=torch.int64))
    return Data("images", split, split, split, shape=(2, height, 3), classes=1)


def net(data):
    model = MLP(hidden=(3, 4)).build(data.shape, TASK.outputs(data), SEEDS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


def bits_of(split):
    return Split((split.inputs > 0.5).double(), (split.targets > 0.5).double())


def test_images_are_cut_into_an_upper_and_a_lower_half(double):
    raw = images()
    data = TASK.prepared(raw)
    assert data.shape == (2, 2, 3)
    assert TASK.outputs(data) == 2 * 3 * 3
    lower = data.train.targets.view(-1, 2, 3, 3)
    assert torch.equal(torch.cat([data.train.inputs, lower], 2), raw.train.inputs)
    assert data.classes == 0


def test_nll_falls_to_the_enumerated_one_with_the_number_of_samples(double):
    data = TASK.prepared(images())
    model, split = net(data), bits_of(data.test)
    first = model.stages[0](split.inputs.expand(2, *split.inputs.shape))
    one = patterns(3, first).view(8, 1, 1, 1, 3)
    two = patterns(4, first).view(16, 1, 1, 4)
    second = model.stages[1](one.expand(8, 1, 2, 20, 3))
    pixels = model.head(two.expand(16, 2, 20, 4))
    log_p = torch.distributions.Bernoulli(logits=first).log_prob(one).sum(-1)
    log_p = log_p + torch.distributions.Bernoulli(logits=second).log_prob(two).sum(-1)
    log_y = torch.distributions.Bernoulli(logits=pixels).log_prob(split.targets).sum(-1)
    exact = -(log_p + log_y).logsumexp((0, 1)).mean(-1)
    mean = -((log_p.exp() * log_y).sum((0, 1))).mean(-1)
    bounds = {}
    for samples in (1, 10, 3000):
        scores = [
            evaluate_ways(TASK, model, [SBN()] * 2, split, Noise(SEEDS, "test", n), samples)["nll"]
            for n in range(20)
        ]
        bounds[samples] = torch.stack([score["averaged"] for score in scores]).mean(0)
    assert (bounds[1] > bounds[10]).all()
    assert (bounds[10] > bounds[3000]).all()
    torch.testing.assert_close(bounds[1], mean, rtol=0.03, atol=0)
    torch.testing.assert_close(bounds[3000], exact, rtol=0.002, atol=0)


def test_chunks_of_samples_give_the_same_scores_as_one_pass(double, monkeypatch):
    """One example at a time, so that both draw the same uniforms in the same order."""
    data = TASK.prepared(images(examples=1))
    one_layer = MLP(hidden=(3,)).build(data.shape, TASK.outputs(data), [3])
    bounds = []
    for together in (1000, 7):
        monkeypatch.setattr(ways, "SAMPLES_PER_PASS", together)
        noise = Noise([3], "test")
        bounds.append(
            evaluate_ways(TASK, one_layer, [SBN()], bits_of(data.test), noise, 60)["nll"][
                "averaged"
            ]
        )
    torch.testing.assert_close(bounds[1], bounds[0], rtol=1e-12, atol=0)


def test_the_last_evaluation_has_its_own_size(monkeypatch):
    calls = []

    def evaluate(self, model, neurons, split, noise, samples):
        calls.append((len(split.targets), samples))
        return {}

    monkeypatch.setattr(StructuredPrediction, "evaluate", evaluate)
    words = ["trainer.evaluate_examples=30", "trainer.samples=2", "trainer.steps=2", "seeds=1"]
    for final in (["final_examples=40", "final_samples=5"], []):
        calls.clear()
        run = built(["task=structured_prediction", *words, *(f"trainer.{word}" for word in final)])
        list(run.run())
        last = [(40, 5)] * 3 if final else [(200, 2), (200, 2), (300, 2)]
        assert calls == [(30, 2)] * 3 + last


def test_both_halves_are_binarized_alike():
    pixels = torch.tensor([0.0, 0.3, 0.7, 1.0])
    upper, lower = pixels.expand(2, 5000, 1, 1, 4), pixels.expand(1, 5000, 4)
    batch = StructuredPrediction(binarization="dynamic").drawn(Split(upper, lower), Noise(SEEDS))
    for half in (batch.inputs.flatten(2), batch.targets):
        assert half.shape == (2, 5000, 4)
        assert set(half.unique().tolist()) == {0.0, 1.0}
        assert ((half.mean(1) - pixels).abs() <= 4 * (0.21 / 5000) ** 0.5).all()
        assert not torch.equal(half[0], half[1])
    batch = StructuredPrediction(binarization="threshold").drawn(Split(upper, lower), Noise(SEEDS))
    assert batch.targets[1, 0].tolist() == [0, 0, 1, 1]


def test_a_replica_trains_as_it_would_alone():
    words = ["task=structured_prediction", "model.hidden=[6,5]", "dtype=float64", "estimator=rebar"]
    few = ["trainer.steps=4", "trainer.evaluate_examples=5", "trainer.final_examples=5"]
    few += ["trainer.samples=3", "trainer.final_samples=3"]
    assert_trained_as_alone([*words, *few, "task.binarization=dynamic"], seeds=[3, 7])


def test_the_picture_shows_each_example_and_guesses_of_its_lower_half():
    run = built(["task=structured_prediction", "model.hidden=[6,5]", "seeds=2", "task.shown=4"])
    picture = run.observed()["images"]["guesses"]
    assert picture.shape == (16, 8, 8)
    truth = run.data.validation.spread(4)
    rows = picture.view(4, 4, 8, 8)
    for example in range(4):
        upper = 2 * (truth.inputs[example, 0] > 0.5).float() - 1
        assert torch.equal(rows[example, :, :4], upper.expand(4, -1, -1))
        lower = 2 * (truth.targets[example].view(4, 8) > 0.5).float() - 1
        assert torch.equal(rows[example, 0, 4:], lower)


def test_data_that_are_not_images_are_refused():
    split = Split(torch.zeros(4, 3), torch.zeros(4))
    with pytest.raises(ValueError, match="cuts images in half"):
        TASK.prepared(Data("flat", split, split, split, shape=(3,), classes=0))
