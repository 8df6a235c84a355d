"""Batches depend on the seed and the step alone, and an epoch shows an example at most once."""

import numpy as np
import pytest
import torch

from bnrun.core.noise import stream
from bnrun.data.base import Split
from bnrun.data.batches import Batches


def numbered(count: int = 23, shape: tuple[int, ...] = (2, 3), device: str = "cpu") -> Split:
    """Examples whose input and target are both their row number."""
    rows = torch.arange(count, device=device)
    inputs = rows.float().view(-1, *(1 for _ in shape)).expand(-1, *shape).contiguous()
    return Split(inputs, rows)


def test_batches_have_a_replica_axis_and_keep_inputs_with_their_targets():
    inputs, targets = Batches(numbered(), seeds=[0, 1, 2], batch_size=5).at(2)
    assert inputs.shape == (3, 5, 2, 3)
    assert targets.shape == (3, 5)
    assert targets.dtype == torch.int64
    assert torch.equal(inputs, targets[..., None, None].float().expand_as(inputs))


def test_an_epoch_shows_every_replica_each_example_at_most_once():
    batches = Batches(numbered(), seeds=[0, 1], batch_size=5)
    assert batches.steps_per_epoch == 4  # 23 examples; the last 3 are dropped
    for epoch in range(3):
        targets = torch.cat([batches.at(4 * epoch + step).targets for step in range(4)], dim=1)
        for replica in targets:
            assert len(replica.unique()) == 20


def test_order_is_the_seeds_permutation_of_the_epoch():
    batches = Batches(numbered(), seeds=[3, 7], batch_size=5)
    for epoch, replica, seed in [(0, 0, 3), (0, 1, 7), (2, 1, 7)]:
        targets = [batches.at(4 * epoch + step).targets[replica] for step in range(4)]
        expected = stream(seed, "order", epoch).permutation(23)[:20]
        np.testing.assert_array_equal(torch.cat(targets).numpy(), expected)


def test_orders_differ_between_seeds_and_epochs():
    batches = Batches(numbered(), seeds=[0, 1], batch_size=20)
    first, second = batches.at(0).targets, batches.at(1).targets
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], second[0])


def test_a_seed_has_the_same_batches_whichever_seeds_are_trained_with_it():
    together = Batches(numbered(), seeds=[3, 7, 11], batch_size=4)
    alone = Batches(numbered(), seeds=[7], batch_size=4)
    for step in range(12):
        assert torch.equal(together.at(step).inputs[1], alone.at(step).inputs[0])


def test_batches_depend_on_the_step_alone():
    forward = Batches(numbered(), seeds=[5, 6], batch_size=4)
    targets = [forward.at(step).targets for step in range(12)]
    for step in (11, 0, 7, 5):
        fresh = Batches(numbered(), seeds=[5, 6], batch_size=4)
        assert torch.equal(fresh.at(step).targets, targets[step])
        assert torch.equal(forward.at(step).targets, targets[step])


def test_one_permutation_is_drawn_per_epoch_and_replica(monkeypatch):
    drawn = []

    def counted(seed, *purpose):
        drawn.append((seed, *purpose))
        return stream(seed, *purpose)

    monkeypatch.setattr("bnrun.data.batches.stream", counted)
    batches = Batches(numbered(), seeds=[0, 1], batch_size=5)
    for step in range(8):
        batches.at(step)
    assert drawn == [(0, "order", 0), (1, "order", 0), (0, "order", 1), (1, "order", 1)]


def test_whole_training_split_may_be_one_batch():
    batches = Batches(numbered(), seeds=[0], batch_size=23)
    assert batches.steps_per_epoch == 1
    assert sorted(batches.at(4).targets[0].tolist()) == list(range(23))


@pytest.mark.parametrize("size", [24, 0, -1])
def test_batch_size_that_does_not_fit_is_refused(size):
    with pytest.raises(ValueError, match=rf"trainer.batch_size={size} does not fit 23 training"):
        Batches(numbered(), seeds=[0], batch_size=size)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_on_a_gpu_equal_those_on_the_cpu():
    cpu = Batches(numbered(), seeds=[0, 1], batch_size=5)
    gpu = Batches(numbered(device="cuda"), seeds=[0, 1], batch_size=5)
    for step in range(9):
        assert gpu.at(step).inputs.is_cuda
        assert torch.equal(gpu.at(step).inputs.cpu(), cpu.at(step).inputs)


def test_batches_stay_on_the_device_of_the_data():
    # The meta device has shapes but no values: an index on another device would fail.
    batches = Batches(numbered(device="meta"), seeds=[0, 1], batch_size=5)
    assert batches.at(0).inputs.device.type == "meta"
    assert batches.at(0).inputs.shape == (2, 5, 2, 3)
