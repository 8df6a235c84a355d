"""A part of a split that represents the whole."""

from dataclasses import replace

import torch
from configured import built

from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.tasks.classification import Classification
from bnrun.training.evaluation import evaluate_splits

SORTED = Split(torch.arange(700.0).view(-1, 1), torch.arange(10).repeat_interleave(70))


def test_spread_of_a_sorted_split_has_every_class_in_proportion() -> None:
    inputs, targets = SORTED.spread(100)
    assert targets.bincount().tolist() == [10] * 10
    assert torch.equal(targets, SORTED.targets[inputs.flatten().long()])


def test_spread_never_takes_an_example_twice() -> None:
    for count in (1, 3, 699):
        assert len(SORTED.spread(count).inputs.unique()) == count


def test_all_of_a_split_is_the_split_itself() -> None:
    for count in (700, 10_000, None):
        assert SORTED.spread(count) is SORTED


def test_scores_on_a_part_of_sorted_splits_cover_every_class() -> None:
    evaluated = []

    class Watching(Classification):
        def evaluate(self, model, neurons, split, noise, samples):
            evaluated.append(split.targets)
            return super().evaluate(model, neurons, split, noise, samples)

    run = built(["model.hidden=[3]", "seeds=1"])
    by_class = {
        name: Split(*(part[getattr(run.data, name).targets.argsort()] for part in split))
        for name in ("train", "validation", "test")
        for split in [getattr(run.data, name)]
    }
    neurons = [estimator.neuron for estimator in run.estimators]
    data = replace(run.data, **by_class)
    evaluate_splits(run.model, neurons, Watching(), data, Noise([0]), samples=1, examples=50)
    assert [len(targets) for targets in evaluated] == [50, 50, 50]
    assert all(len(targets.unique()) == 10 for targets in evaluated)
