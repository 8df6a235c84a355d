"""What a training step must not do, whatever it computes."""

import gc

import pytest
from small import training

from bnrun.models.cnn import CNN
from bnrun.models.mlp import MLP


@pytest.mark.parametrize("model", [MLP(hidden=(6, 5)), CNN(channels=(2, 3), kernel=3, dense=5)])
def test_a_step_leaves_nothing_to_the_collector_of_garbage(model):
    run = training([0, 1], model)
    run.update(run.current_estimators())
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            run.update(run.current_estimators())
        assert gc.collect() == 0
    finally:
        gc.enable()
