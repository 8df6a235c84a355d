"""How a run ended, in the forms that result.json and TensorBoard have."""

import math

from bnrun.run.outcome import hyperparameters, means_of, scores_of

CONFIG = {
    "choices": {"neuron": "sbn", "estimator": "sigmoid_st"},
    "neuron": {"_target_": "bnrun.core.neurons.SBN", "slope": 1.0},
    "estimator": {"_target_": "x.Y", "neuron": {"_target_": "z", "slope": 1.0}, "slope": 2.0},
    "model": {"_target_": "m", "hidden": [5]},
    "optimizer": {"_target_": "o", "_partial_": True, "lr": 0.1},
    "trainer": {"epochs": 3},
    "seeds": 5,
}


def test_scores_are_sorted_by_split_score_and_way():
    scalars = {"accuracy/test/sampled": [0.5], "loss/train": [1.0], "units/layer1/dead": [0.0]}
    assert scores_of(scalars) == {"test": {"accuracy": {"sampled": [0.5]}}}


def test_a_diverged_seed_does_not_blank_the_mean():
    scores = {"test": {"loss": {"sampled": [1.0, math.nan, 3.0], "averaged": [math.nan]}}}
    means = means_of(scores)
    assert means["score/test/loss/sampled"] == 2.0
    assert math.isnan(means["score/test/loss/averaged"])


def test_hyperparameters_are_the_choices_and_the_values_that_train():
    assert hyperparameters(CONFIG) == {
        "neuron": "sbn",
        "estimator": "sigmoid_st",
        "neuron.slope": 1.0,
        "estimator.slope": 2.0,
        "model.hidden": [5],
        "optimizer.lr": 0.1,
        "trainer.epochs": 3,
        "seeds": 5,
    }
