"""The autoencoder: its shapes, its errors by hand, the use of its code, and what it learns."""

import math
from math import prod

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from alone import assert_trained_as_alone
from configured import built
from runs import assert_equal_runs, bnrun, resumed

from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.models.autoencoder import BinaryAutoencoder
from bnrun.tasks.autoencoder import Reconstruction, code_use
from bnrun.tasks.tools import ways

AUTOENCODER = ["model=autoencoder", "task=autoencoder"]
SMALL = [*AUTOENCODER, "model.width=3", "model.code=6", "trainer.batch_size=20"]


@pytest.mark.parametrize(
    ("shape", "fields", "kind"),
    [
        ((1, 28, 28), {}, "conv"),
        ((3, 5, 6), {}, "conv"),
        ((1, 4, 4), {}, "conv"),
        ((2, 7, 5), {"kind": "dense"}, "dense"),
        ((1, 3, 9), {}, "dense"),
        ((11,), {}, "dense"),
        ((11,), {"hidden": ()}, "dense"),
        ((11,), {"hidden": (8, 7)}, "dense"),
    ],
)
def test_there_is_an_output_for_every_input(shape, fields, kind):
    net = BinaryAutoencoder(code=5, width=3, **fields).build(shape, prod(shape), [0, 1])
    inputs = torch.rand(2, 4, *shape)
    fired = net.passes(inputs)([SBN()], [SBN().sampled], Noise([0, 1]), 3)
    assert fired[0].logits.shape == (3, 2, 4, 5)
    assert net.outputs(inputs, fired).shape == (3, 2, 4, prod(shape))
    assert net.widest == max(5, prod(shape))
    names = " ".join(type(layer).__name__ for layer in net.modules())
    assert ("Conv2d" in names) == (kind == "conv")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["model=autoencoder"], "model=autoencoder has one output for each of 64 inputs"),
        ([*AUTOENCODER, "model.code=0"], "model.code=0: should be greater than 0"),
        ([*AUTOENCODER, "model.kind=round"], "model.kind=round: should be"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(words, error, command):
    status, _, err = command(*words, "trainer.steps=1")
    assert status
    assert error in err
    assert "Traceback" not in err


def test_convolutions_of_features_are_refused():
    with pytest.raises(ValueError, match=r"model.kind=conv needs images of at least 4 x 4"):
        BinaryAutoencoder(kind="conv").build((1, 3, 9), 27, [0])


def test_inputs_outside_the_unit_interval_are_refused(tmp_path, command):
    inputs = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    np.savez(tmp_path / "wide.npz", train_inputs=inputs, train_targets=np.arange(40) % 2)
    status, _, err = command(*AUTOENCODER, "dataset=file", f"dataset.path={tmp_path / 'wide.npz'}")
    assert status
    assert "outside [0, 1]" in err


def case(error, seeds=(3, 7), samples=None):
    """Task, net, a batch [R, B, ...] and a pass of sampled bits."""
    net = BinaryAutoencoder(code=5, width=3).build((1, 8, 8), 64, seeds)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(len(seeds), 4, 1, 8, 8, generator=generator)
    batch = Split(inputs, torch.zeros(len(seeds), 4))
    fired = net.passes(inputs)([SBN()], [SBN().sampled], Noise(seeds), samples)
    return Reconstruction(error=error), net, batch, fired


def test_squared_error_and_its_scores_are_those_by_hand(double):
    task, net, batch, fired = case("squared")
    outputs, pixels = net.outputs(batch.inputs, fired), batch.inputs.flatten(2)
    expected = F.mse_loss(outputs, pixels, reduction="none").mean(-1)
    torch.testing.assert_close(task.loss(net, batch, fired), expected, rtol=0, atol=1e-12)
    scores = task.scores(net, batch, fired)
    mse = (outputs.clamp(0, 1) - pixels).pow(2).mean(-1)
    assert set(scores) == {"mse", "psnr"}
    torch.testing.assert_close(scores["mse"], mse, rtol=0, atol=1e-12)
    torch.testing.assert_close(scores["psnr"], 10 * (1 / mse).log10(), rtol=0, atol=1e-9)


def test_cross_entropy_is_the_sum_over_pixels_in_nats(double):
    task, net, batch, fired = case("bernoulli")
    outputs, pixels = net.outputs(batch.inputs, fired), batch.inputs.flatten(2)
    each = F.binary_cross_entropy_with_logits(outputs, pixels, reduction="none")
    torch.testing.assert_close(task.loss(net, batch, fired), each.sum(-1), rtol=0, atol=1e-10)
    scores = task.scores(net, batch, fired)
    torch.testing.assert_close(scores["bits"], each.mean(-1) / math.log(2), rtol=0, atol=1e-12)
    mse = (outputs.sigmoid() - pixels).pow(2).mean(-1)
    torch.testing.assert_close(scores["mse"], mse, rtol=0, atol=1e-12)


@pytest.mark.parametrize("error", ["squared", "bernoulli"])
def test_averaged_is_the_score_of_the_mean_reconstruction(error, double):
    task, net, batch, fired = case(error, samples=6)
    outputs, pixels = net.outputs(batch.inputs, fired), batch.inputs.flatten(2)
    mean = (outputs.sigmoid() if error == "bernoulli" else outputs.clamp(0, 1)).mean(0)
    evidence = task.evidence(net, batch, fired).logsumexp(0)
    scores = task.averaged(evidence, 6, batch)
    torch.testing.assert_close(scores["mse"], (mean - pixels).pow(2).mean(-1), rtol=0, atol=1e-12)
    if error == "bernoulli":
        nats = F.binary_cross_entropy(mean, pixels, reduction="none").mean(-1)
        torch.testing.assert_close(scores["bits"], nats / math.log(2), rtol=0, atol=1e-12)


def test_pixels_that_are_always_black_have_a_finite_average(double):
    task, net, batch, fired = case("squared", samples=3)
    with torch.no_grad():
        net.head[-4].bias.fill_(-100.0)
    scores = task.averaged(task.evidence(net, batch, fired).logsumexp(0), 3, batch)
    expected = batch.inputs.flatten(2).pow(2).mean(-1)
    torch.testing.assert_close(scores["mse"], expected, rtol=0, atol=1e-12)


def test_the_use_of_a_code_is_counted_by_hand():
    # Bits that are always 0, always 1, 1 for a half, and for a quarter of the examples.
    use = code_use(torch.tensor([[0, 1, 0.5, 0.25], [0.5, 0.5, 0.5, 0.5]], dtype=torch.float64))
    assert use["code_used"].tolist() == [0.5, 1]
    quarter = 0.25 * 2 + 0.75 * math.log2(4 / 3)
    assert use["code_entropy"].tolist() == pytest.approx([(1 + quarter) / 4, 1], abs=1e-12)


def test_the_code_of_a_net_of_several_layers_is_the_narrowest_in_chunks_as_at_once(monkeypatch):
    words = ["task=autoencoder", "model.hidden=[12,4,9]", "seeds=[3,7]", "neuron.signed=true"]
    run = built(words)
    split = run.data.validation.spread(50)
    neurons = [estimator.evaluation_neuron for estimator in run.estimators]
    whole = run.task.evaluate(run.model, neurons, split, Noise(run.seeds), 2)
    fired = run.model.passes(split.inputs.expand(2, -1, -1, -1, -1))(
        neurons, [neuron.thresholded for neuron in neurons], Noise(run.seeds)
    )
    ones = (fired[1].logits > 0).double().mean(1)
    for score, values in code_use(ones).items():
        torch.testing.assert_close(whole[score]["thresholded"], values, rtol=0, atol=1e-12)
    monkeypatch.setattr(ways, "CHUNK", 2 * 2 * 12 * 7)
    parts = run.task.evaluate(run.model, neurons, split, Noise(run.seeds), 2)
    for score in ("code_used", "code_entropy", "mse"):
        first, second = whole[score]["thresholded"], parts[score]["thresholded"]
        torch.testing.assert_close(first, second, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("error", "kind"), [("squared", "conv"), ("bernoulli", "dense")])
def test_it_learns_to_reconstruct_digits(error, kind):
    words = [*AUTOENCODER, f"task.error={error}", f"model.kind={kind}", "model.width=8", "seeds=1"]
    words += ["optimizer=adam", "optimizer.lr=3e-3", "trainer.steps=250"]
    run = built([*words, "trainer.evaluate_every=1e9"])
    records = list(run.run())
    mean = run.data.train.inputs.mean(0)
    blurred = (run.data.test.inputs - mean).square().mean().item()
    assert records[-1].scalars["mse/test/thresholded"].item() < 0.7 * blurred
    assert records[-1].scalars["code_entropy/test/sampled"].item() > 0.5


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_a_replica_trains_as_it_would_alone(kind, double):
    words = [*SMALL, f"model.kind={kind}", "dtype=float64", "optimizer=adam", "trainer.steps=10"]
    assert_trained_as_alone(words)


def test_a_killed_run_resumes_to_the_bit(tmp_path):
    words = [*SMALL, "trainer.steps=12", "seeds=[3,7]", "estimator=disarm"]
    whole = bnrun(tmp_path / "whole", *words)
    assert_equal_runs(whole, resumed(tmp_path / "again", words, 7))


def test_pictures_show_data_and_their_reconstructions():
    task, net, batch, _ = case("squared")
    split = Split(batch.inputs[0], torch.zeros(4))
    images = task.observed(net, [DBN()], split, Noise([3, 7])).images
    assert torch.equal(images["data"], 2 * split.inputs[:, 0] - 1)
    fired = net.passes(batch.inputs[:1].expand(2, -1, -1, -1, -1))(
        [DBN()], [DBN().thresholded], Noise([3, 7])
    )
    expected = net.outputs(batch.inputs, fired)[0].clamp(0, 1).view(4, 8, 8)
    torch.testing.assert_close(images["reconstructions"], 2 * expected - 1)
