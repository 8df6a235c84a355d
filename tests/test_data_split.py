"""A part of a split that stands for the whole."""

import torch

from bnrun.data.base import Split

SORTED = Split(torch.arange(700.0).view(-1, 1), torch.arange(10).repeat_interleave(70))


def test_spread_of_a_sorted_split_has_every_class_in_its_share() -> None:
    inputs, targets = SORTED.spread(100)
    assert targets.bincount().tolist() == [10] * 10
    assert torch.equal(targets, SORTED.targets[inputs.flatten().long()])


def test_spread_never_takes_an_example_twice() -> None:
    for count in (1, 3, 699):
        assert len(SORTED.spread(count).inputs.unique()) == count


def test_all_of_a_split_is_the_split_itself() -> None:
    for count in (700, 10_000, None):
        assert SORTED.spread(count) is SORTED
