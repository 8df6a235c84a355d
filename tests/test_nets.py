"""Models that are plain modules: the residual net and the recurrent net."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from alone import assert_trained_as_alone
from configured import built
from runs import assert_equal_runs, bnrun, resumed
from torch import nn

from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.models.resnet import ResidualNet, ResNet
from bnrun.models.rnn import RNN

RESNET = ["model=resnet", "model.width=4", "trainer.batch_size=40"]
RNN_WORDS = ["model=rnn", "model.hidden=12", "trainer.batch_size=40"]
BOTH = {"resnet": RESNET, "rnn": RNN_WORDS}


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_residual_net_has_six_layers_per_block_and_two_more(blocks):
    net = ResidualNet(channels=3, outputs=10, blocks=blocks, width=16)
    windows = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(windows) + 1 == 6 * blocks + 2
    assert ResNet(blocks=blocks).build((3, 8, 8), 10, [0]).depth == 6 * blocks


def test_resnet_20_has_as_many_weights_as_published():
    net = ResidualNet(channels=3, outputs=10, blocks=3, width=16)
    assert 0.27e6 < sum(weight.numel() for weight in net.parameters()) < 0.28e6


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5), (1, 28, 28)])
def test_a_residual_net_halves_its_images_twice_as_it_doubles_its_maps(shape):
    net = ResNet(width=4).build(shape, 3, [0, 1])
    height, width = shape[1:]
    sides = [(height, width), (-(-height // 2), -(-width // 2)), (-(-height // 4), -(-width // 4))]
    # The first unit of a stage fires before its convolution, at the size of the stage before it.
    stages = [0, 0, 0, 1, 1, 2]
    assert net.units == tuple((4 << stage) * np.prod(sides[stage]) for stage in stages)
    assert net.uses == (0, 1, 2, 3, 4, 5)
    fired = net.passes(torch.rand(2, 5, *shape))([SBN()] * 6, [SBN().sampled] * 6, Noise([0, 1]), 2)
    assert fired.outputs.shape == (2, 2, 5, 3)


def test_a_skip_adds_the_real_valued_input_of_a_unit(double):
    net = ResNet(width=3).build((1, 6, 6), 2, [4]).eval()
    inputs = torch.rand(1, 5, 1, 6, 6)
    fired = net.passes(inputs)([DBN()] * 6, [DBN().thresholded] * 6, Noise([4]))
    logits = [layer.logits[0].view(5, -1, 6, 6) for layer in fired[:3]]
    weights = dict(net.named_parameters()) | dict(net.named_buffers())

    def normalised(x, name):
        mean, variance, scale, shift = (
            weights[f"{name}.{part}"][0]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, variance, scale, shift)

    for number in (0, 1):
        bits = (logits[number] > 0).double()
        convolved = F.conv2d(bits, weights[f"units.{number}.conv.weight"][0], padding=1)
        expected = logits[number] + normalised(convolved, f"units.{number}.norm")
        torch.testing.assert_close(logits[number + 1], expected, rtol=0, atol=1e-9)


def test_a_recurrent_net_reads_row_by_row(double):
    net = RNN(hidden=4).build((2, 5, 3), 2, [4])
    assert net.units == (4,) * 5
    assert net.uses == (0,) * 5
    inputs = torch.rand(1, 6, 2, 5, 3)
    fired = net.passes(inputs)([DBN()], [DBN().thresholded], Noise([4]))
    weights = {name: weight[0] for name, weight in net.named_parameters()}
    bits = torch.zeros(6, 4)
    for row in range(5):
        step = F.linear(inputs[0, :, :, row].flatten(1), weights["inward.weight"])
        logits = step + weights["inward.bias"] + F.linear(bits, weights["recurrent.weight"])
        logits = F.layer_norm(logits, (4,))
        torch.testing.assert_close(fired[row].logits[0], logits, rtol=0, atol=1e-9)
        bits = (logits > 0).double()
    outputs = F.linear(bits, weights["head.weight"], weights["head.bias"])
    torch.testing.assert_close(fired.outputs[0], outputs, rtol=0, atol=1e-9)


def test_recurrent_weights_start_orthogonal(double):
    net = RNN(hidden=8, norm="none").build((1, 4, 4), 2, [0, 1])
    for weight in dict(net.named_parameters())["recurrent.weight"]:
        torch.testing.assert_close(weight @ weight.T, torch.eye(8), rtol=0, atol=1e-9)


@pytest.mark.parametrize("model", [ResNet(), RNN()])
def test_features_are_refused(model):
    with pytest.raises(ValueError, match=r"has inputs of shape \(20,\): choose model=mlp"):
        model.build((20,), 3, [0])


def test_sequences_of_vectors_in_a_file_are_read_step_by_step(tmp_path):
    random = np.random.default_rng(0)
    inputs = random.random((60, 7, 3), dtype=np.float32)
    np.savez(tmp_path / "steps.npz", train_inputs=inputs, train_targets=np.arange(60) % 2)
    run = built([*RNN_WORDS, "dataset=file", f"dataset.path={tmp_path / 'steps.npz'}"])
    assert run.model.units == (12,) * 7


@pytest.mark.parametrize(
    ("words", "accuracy"),
    [
        (["model=resnet", "model.width=6", "trainer.steps=150"], 0.8),
        (["model=rnn", "model.hidden=60", "trainer.steps=400"], 0.6),
    ],
)
def test_digits_are_learned(words, accuracy):
    common = ["seeds=1", "optimizer=adam", "optimizer.lr=1e-2", "trainer.evaluate_every=1e9"]
    records = list(built([*words, *common]).run())
    assert records[-1].scalars["accuracy/test/thresholded"].item() > accuracy


@pytest.mark.parametrize("model", BOTH)
def test_a_replica_trains_as_it_would_alone(model):
    words = [*BOTH[model], "dtype=float64", "optimizer=adam", "trainer.steps=6"]
    assert_trained_as_alone(words)


@pytest.mark.parametrize("model", BOTH)
def test_a_killed_run_resumes_to_the_bit(model, tmp_path):
    """Running means of batch norms included."""
    words = [*BOTH[model], "trainer.steps=12", "seeds=[3,7]"]
    whole = bnrun(tmp_path / "whole", *words)
    assert_equal_runs(whole, resumed(tmp_path / "again", words, 7))
