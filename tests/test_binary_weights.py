"""Nets whose weights are bits: weights=binary and weights=scaled of mlp, cnn and resnet."""

import pytest
import torch
import torch.nn.functional as F
from alone import assert_trained_as_alone
from configured import built
from runs import assert_equal_runs, bnrun, resumed

from bnrun.core.noise import Noise
from bnrun.models.binary_weights import BinaryConv2d, head

SETTING = ["neuron=dbn", "neuron.signed=true", "estimator=clipped_st", "optimizer=adam"]
MLP = ["model.weights=binary", "model.norm=batch", "model.hidden=[12,8]"]
CNN = ["model=cnn", "model.weights=scaled", "model.norm=batch", "model.channels=[3,4]"]
CNN += ["model.dense=6"]
RESNET = ["model=resnet", "model.weights=binary", "model.width=3"]
NETS = {"mlp": MLP, "cnn": CNN, "resnet": RESNET}
FEW = ["trainer.batch_size=40", "trainer.evaluate_examples=30", "trainer.final_examples=30"]


def latents(model):
    return {n: p for n, p in model.named_parameters() if n.endswith("weight.latent")}


def test_binary_net_learns_digits():
    words = [*SETTING, "model.weights=binary", "model.norm=batch", "seeds=1", "trainer.steps=150"]
    run = built([*words, "optimizer.lr=1e-2", "trainer.evaluate_every=1e9"])
    records = list(run.run())
    assert records[-1].scalars["accuracy/test/thresholded"].item() > 0.88
    assert len(latents(run.model)) == 2


@pytest.mark.parametrize("net", NETS)
def test_latent_weights_stay_clipped_and_all_weights_that_meet_bits_are_binary(net):
    run = built([*SETTING, *FEW, *NETS[net], "seeds=[3,7]", "optimizer.lr=0.5", "trainer.steps=4"])
    assert len(latents(run.model)) == {"mlp": 3, "cnn": 4, "resnet": 6}[net]
    assert sum(run.model.shared) == len(latents(run.model))
    records = list(run.run())
    assert all(values.isfinite().all() for values in records[-1].scalars.values())
    for name, latent in latents(run.model).items():
        assert latent.abs().max() <= 1, name
        assert (latent.abs() == 1).float().mean() > 0.1, name  # which it would have passed


@pytest.mark.parametrize("weights", ["binary", "scaled"])
def test_evaluation_multiplies_by_the_signs_of_the_latent_weights(weights):
    words = [*SETTING, *FEW, *MLP, f"model.weights={weights}", "dtype=float64", "seeds=[3,7]"]
    run = built([*words, "trainer.steps=5", "optimizer.lr=0.1"])
    list(run.run())
    inputs = torch.rand(2, 6, 1, 8, 8, dtype=torch.float64)
    neurons = [estimator.evaluation_neuron for estimator in run.estimators]
    with run.model.evaluating() as model:
        fired = model.passes(inputs)(neurons, [n.thresholded for n in neurons], Noise([3, 7]))
    state = {name: value[1] for name, value in run.model.state_dict().items()}
    x = inputs[1].flatten(1)
    for layer, last in ((1, False), (4, False), (7, True)):
        latent = state[f"{layer}.weight.latent"]
        binary = torch.where(latent > 0, 1.0, -1.0).double()
        if weights == "scaled":
            binary = binary * latent.abs().mean(1, keepdim=True)
        mean, variance, scale, shift = (
            state[f"{layer + 1}.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.batch_norm(F.linear(x, binary), mean, variance, scale, shift)
        x = x if last else torch.where(x > 0, 1.0, -1.0).double()
    torch.testing.assert_close(fired.outputs[1], x, rtol=0, atol=1e-9)


def test_a_convolution_multiplies_by_bits_too(double):
    layer = BinaryConv2d(2, 3, 3, bias=True, scaled=True, init="default", stride=2)
    layer.weight.bits.visitor = lambda site, x: torch.where(x > 0, 1.0, -1.0)
    x = torch.rand(4, 2, 6, 6)
    alpha = layer.weight.latent.abs().mean((1, 2, 3)).view(3, 1, 1, 1)
    weight = torch.where(layer.weight.latent > 0, alpha, -alpha)
    expected = F.conv2d(x, weight, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("net", NETS)
def test_a_seed_is_trained_as_it_is_alone(net):
    words = [*SETTING, *FEW, *NETS[net], "dtype=float64", "trainer.steps=4", "optimizer.lr=0.05"]
    # Seed 3 would not do for the CNN: its sums of bits tie at the threshold, so rounding decides.
    assert_trained_as_alone(words)


def test_a_killed_run_resumes_to_the_bit(tmp_path):
    words = [*SETTING, *FEW, *MLP, "trainer.steps=12", "seeds=[3,7]", "optimizer.lr=0.05"]
    whole = bnrun(tmp_path / "whole", *words)
    assert_equal_runs(whole, resumed(tmp_path / "again", words, 7))


@pytest.mark.parametrize("words", [["neuron=sbn", "estimator=disarm"], ["neuron=sbn"]])
def test_weights_may_be_sampled(words):
    run = built([*FEW, *MLP, "neuron.signed=true", *words, "seeds=1", "trainer.steps=2"])
    records = list(run.run())
    assert all(values.isfinite().all() for values in records[-1].scalars.values())


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_units_may_be_real_valued_where_the_weights_are_binary(model):
    words = [*SETTING, *FEW, f"model={model}", "model.layers=relu", "trainer.steps=2", "seeds=1"]
    with pytest.raises(Exception, match="no binary layer"):
        built(words)
    # All that is binary are the weights, whose signs the model decides.
    words += ["model.weights=binary", "model.norm=batch", "neuron.signed=false"]
    list(built(words).run())
    # Batch norm without binary weights is a plain module as well.
    run = built([*SETTING, *FEW, f"model={model}", "model.norm=batch", "trainer.steps=2"])
    list(run.run())
    assert not any(run.model.shared)


@pytest.mark.parametrize("weights", ["real", "binary", "scaled"])
@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
def test_outputs_have_a_norm_in_place_of_a_bias_only_with_binary_weights_and_batch_norm(
    weights, norm
):
    last, *rest = head(5, 3, weights, norm, "default")
    normed = weights != "real" and norm == "batch"
    assert [type(layer) for layer in rest] == [torch.nn.BatchNorm1d] * normed
    assert (getattr(last, "bias", None) is None) == normed
