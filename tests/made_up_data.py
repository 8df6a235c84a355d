"""Random images with classes, and how data that are wrong are refused."""

import pytest
import torch

from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError

SPLITS = ("train", "validation", "test")


def split(count=40, shape=(1, 8, 8), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Split(torch.rand(count, *shape, generator=generator), torch.arange(count) % 4)


def data(shape=(1, 8, 8), classes=4, **changed):
    splits = {name: split(shape=shape, seed=seed) for seed, name in enumerate(SPLITS)}
    return Data("mine", **{**splits, **changed}, shape=shape, classes=classes)


def refusal(function, *arguments, **options):
    with pytest.raises(DataError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def with_value(values, index, value):
    values = values.clone()
    values[index] = value
    return values


X, Y = split()
