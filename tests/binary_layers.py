"""A net with two layers of bnrun.Binary, and the estimators that it takes."""

import torch
from all_estimators import SAMPLING, build_of
from torch import nn

import bnrun
from bnrun.core.neurons import SBN
from bnrun.estimators.base import ActivationEstimator, Progress

START = Progress(0, 0)
NAMES = [
    name for name in SAMPLING if isinstance(build_of(name)(SBN()).at(START), ActivationEstimator)
]


def net(name="sigmoid_st", **fields):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 7), bnrun.Binary(name, seed=1, **fields), nn.Linear(7, 6),
        bnrun.Binary(name, seed=2, **fields), nn.Linear(6, 1),
    )  # fmt: skip
