"""What no training step may do, whatever the estimator."""

import gc
from functools import partial

import pytest
import torch
from enumeration import CONFIGS
from small import training

from bnrun.api import load_estimator
from bnrun.models.cnn import CNN
from bnrun.models.mlp import MLP


@pytest.mark.parametrize("model", [MLP(hidden=(6, 5)), CNN(channels=(2, 3), kernel=3, dense=5)])
def test_a_step_leaves_nothing_to_the_garbage_collector(model):
    run = training([0, 1], model)
    run.update(run.current_estimators())
    # What torch.compile has left behind in other tests is freed in several rounds.
    while gc.collect():
        pass
    gc.disable()
    try:
        for _ in range(5):
            run.update(run.current_estimators())
        assert gc.collect() == 0
    finally:
        gc.enable()


ADAM = partial(torch.optim.Adam, fused=True)
NAMES = sorted(path.stem for path in (CONFIGS / "estimator").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_no_step_makes_the_host_wait_for_the_device(name):
    """Tensors on the meta device have no values, so reading one is an error."""
    neuron = "real" if name == "backprop" else "sbn"
    estimator = load_estimator(name, neuron)
    run = training([0, 1], MLP(hidden=(6,)), estimator, clip_norm=1.0, device="meta")
    for _ in range(run.batches.steps_per_epoch):
        run.update(run.current_estimators())
    assert next(run.model.parameters()).grad.is_meta
    with pytest.raises(RuntimeError, match="meta"):
        run.diverged_steps()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("capture", [False, True])
def test_no_step_on_a_gpu_synchronizes(capture):
    run = training([0, 1], optimizer=ADAM, device="cuda", capture=capture)
    assert run.batches.steps_per_epoch > 6
    for _ in range(5):
        run.update(run.current_estimators())
    torch.cuda.set_sync_debug_mode("error")
    try:
        run.update(run.current_estimators())
    finally:
        torch.cuda.set_sync_debug_mode("default")
