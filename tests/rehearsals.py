"""Runs of a net with two binary layers, one part of which is wrong, and how they are refused."""

from dataclasses import replace

import pytest
import torch
from small import training
from torch import nn

from bnrun.core.chain import Chain
from bnrun.core.products import Linear
from bnrun.models.mlp import MLP

SEEDS = [3, 7, 11]
IMAGE, CLASSES, UNITS = 64, 3, 3


def chain(first=None, second=None, head=None, seeds=SEEDS):
    """Two binary layers of as many units as there are seeds; parts may be replaced."""
    units = len(seeds)
    flat = nn.Flatten(start_dim=-3)
    first = first or Linear(IMAGE, units, seeds, "first", "default")
    second = second or Linear(units, units, seeds, "second", "default")
    head = head or Linear(units, CLASSES, seeds, "head", "default")
    return Chain([nn.Sequential(flat, first), second], head, [units, units])


def run_of(model, estimators=None, task=None, seeds=SEEDS):
    run = training(seeds, model=MLP(hidden=(4, 4)))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return replace(
        run,
        model=model,
        optimizer=torch.optim.SGD(trained, lr=0.1),
        estimators=estimators or run.estimators,
        task=task or run.task,
    )


def refusal(run, error=ValueError):
    with pytest.raises(error) as caught:
        run.rehearse()
    assert "\n" not in str(caught.value)
    return str(caught.value)
