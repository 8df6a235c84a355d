"""The vae task in the runner: its scores, replicas, prior, and what it refuses."""

import pytest
import torch
from alone import assert_trained_as_alone
from configured import built

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise


def test_ways_without_samples_have_a_distortion_and_no_bound():
    run = built(["task=vae", "model=vae", "model.latent=[5]", "trainer.steps=1", "seeds=[3,7]"])
    scores = run.task.evaluate(run.model, [SBN()], run.data.test, Noise([3, 7]), 3)
    assert set(scores["nll"]) == {"sampled", "averaged"}
    assert set(scores["rate"]) == {"sampled"}
    assert set(scores["distortion"]) == {"sampled", "thresholded", "mean_field"}
    total = scores["distortion"]["sampled"] + scores["rate"]["sampled"]
    torch.testing.assert_close(scores["nll"]["sampled"], total)
    pictures = run.observed()["images"]
    for name in ("data", "reconstructions", "samples"):
        assert pictures[name].shape == (36, 8, 8)
        assert pictures[name].abs().max() <= 1


def test_a_replica_trains_as_it_would_alone():
    words = ["task=vae", "model=vae", "model.latent=[7,4]", "dtype=float64", "estimator=disarm"]
    few = ["trainer.steps=4", "trainer.evaluate_examples=5", "trainer.final_examples=5"]
    assert_trained_as_alone([*words, *few], seeds=[3, 7])


def test_the_learned_prior_moves_and_the_fixed_one_does_not():
    words = ["task=vae", "model=vae", "model.latent=[7]", "seeds=1"]
    for prior, moved in (("learned", True), ("fixed", False)):
        run = built([*words, f"model.prior={prior}"])
        run.update(run.current_estimators())
        assert bool(run.model.prior.abs().sum() > 0) == moved


@pytest.mark.parametrize("neuron", ["dbn", "real"])
def test_neurons_without_a_probability_are_refused(neuron):
    estimator = {"dbn": "sigmoid_st", "real": "backprop"}[neuron]
    words = ["task=vae", "model=vae", "model.latent=[5]", "seeds=1"]
    run = built([*words, f"neuron={neuron}", f"estimator={estimator}"])
    with pytest.raises(ValueError, match="task=vae needs the probability of the latent bits"):
        run.rehearse()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="choose model=vae"):
        built(["task=vae"])
    with pytest.raises(ValueError, match="one output for each of 64 pixels"):
        built(["model=vae"])
    run = built(["task=vae", "model=vae", "seeds=1"])
    run.data.train.inputs.mul_(2)
    with pytest.raises(ValueError, match=r"train_inputs in 0 .. 2, outside \[0, 1\]"):
        run.task.begin(run.model, run.data, [0])
