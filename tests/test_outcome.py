"""How a run ended, in the forms that result.json and TensorBoard have."""

import math

from bnrun.recording.tags import ScoreName
from bnrun.run.outcome import final_scores, hyperparameters, scores_of

CONFIG = {
    "choices": {
        "neuron": "sbn",
        "estimator": "sigmoid_st",
        "optimizer": "sgd",
        "hydra/launcher": "basic",
    },
    "name": "study",
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
    means = final_scores(scores, None)
    assert means["score/test/loss/sampled"] == 2.0
    assert math.isnan(means["score/test/loss/averaged"])


def test_the_goal_on_test_comes_first_among_the_final_scores():
    ways = {"sampled": [0.5], "averaged": [0.7]}
    scores = {split: {"loss": ways, "accuracy": ways} for split in ("train", "validation", "test")}
    shown = final_scores(scores, ScoreName("validation", "accuracy", "sampled"))
    assert next(iter(shown.items())) == ("_goal/final: test accuracy sampled", 0.5)
    assert set(shown) == {
        "_goal/final: test accuracy sampled",
        "score/validation/accuracy/sampled",
        "score/validation/accuracy/averaged",
        "score/test/accuracy/averaged",
        "score/test/loss/sampled",
    }


def test_hyperparameters_are_neuron_estimator_and_what_the_command_line_chose():
    assert hyperparameters(CONFIG, ()) == {"neuron": "sbn", "estimator": "sigmoid_st"}
    words = ("optimizer", "optimizer.lr", "seeds", "name", "hydra/launcher", "hydra.job.chdir")
    assert hyperparameters(CONFIG, words) == {
        "neuron": "sbn",
        "estimator": "sigmoid_st",
        "optimizer": "sgd",
        "optimizer.lr": 0.1,
    }
