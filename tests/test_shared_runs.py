"""Sites whose bits serve the whole batch, in the runner: seeds, signs, evaluation, gradients."""

import numpy as np
import pytest
import torch
from configured import built as built_run

import bnrun
from bnrun.core.neurons import SBN

SMALL = ["trainer.batch_size=20", "trainer.log_every=1", "dtype=float64", "trainer.steps=4"]
SMALL += ["model=module", "model.target=nets.BinaryWeights", "trainer.samples=3"]
SMALL += ["trainer.evaluate_examples=30", "trainer.final_examples=30"]


@pytest.mark.parametrize("name", ["sigmoid_st", "disarm", "rloo", "rebar", "relax"])
def test_a_seed_is_trained_as_it_is_alone(name):
    words = [*SMALL, f"estimator={name}"]
    both, alone = built_run([*words, "seeds=[3,7]"]), built_run([*words, "seeds=[7]"])
    for one, other in zip(both.run(), alone.run(), strict=True):
        for tag, values in one.scalars.items():
            if not tag.startswith("schedule"):
                torch.testing.assert_close(
                    values[1:], other.scalars[tag], rtol=1e-9, atol=1e-12, equal_nan=True, msg=tag
                )
    for one, other in zip(both.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(one[1:], other, rtol=1e-9, atol=1e-12)


def test_weights_are_signed_and_units_are_as_the_neuron_says():
    run = built_run([*SMALL, "seeds=[3,7]"])
    assert run.model.shared == (True, False, True)
    assert run.model.signed == (True, None, True)
    assert [estimator.neuron.signed for estimator in run.estimators] == [True, False, True]
    records = list(run.run())
    tags = {tag for record in records for tag in record.scalars}
    assert {"units/layer1/entropy", "units/layer2/dead", "gradient/logits/layer3"} <= tags
    assert "units/layer1/dead" not in tags
    words = ["estimator=schedule", "+estimator@layers.3=mixture", "+neuron@layers.3.neuron=sbn"]
    run = built_run([*SMALL, *words])
    assert run.estimators[0].second.neuron.signed
    assert run.estimators[2].first.neuron.signed
    assert not run.estimators[1].neuron.signed


def test_every_sample_of_an_evaluation_has_its_own_weights():
    model = built_run([*SMALL, "seeds=[3]"]).model
    inputs = torch.rand(1, 5, 1, 8, 8, dtype=torch.float64)
    neurons = [SBN(signed=True), SBN(), SBN(signed=True)]
    fired = model.passes(inputs)(neurons, [n.sampled for n in neurons], bnrun.Noise([3]), 40)
    assert fired[0].activations.shape == (40, 1, 1, 4)
    assert fired[1].activations.shape == (40, 1, 5, 2)
    assert fired.outputs.shape == (40, 1, 5, 10)
    assert set(fired[0].activations.flatten().tolist()) == {-1, 1}
    assert 0.05 < fired[0].activations.var(0).mean() < 1.1
    for sample in range(40):
        weights = fired[2].activations[sample].reshape(10, 2)
        expected = 0.5 * fired[1].activations[sample, 0] @ weights.T
        torch.testing.assert_close(fired.outputs[sample, 0], expected, rtol=1e-9, atol=1e-9)


def test_measured_gradients_of_shared_bits_agree_with_the_exact_ones(tmp_path):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(60, 22))
    np.savez(tmp_path / "two.npz", train_inputs=inputs, train_targets=np.arange(60) % 2)
    words = ["dataset=file", f"dataset.path={tmp_path / 'two.npz'}", "trainer.steps=1"]
    words += ["gradients.every=1", "gradients.draws=100", "gradients.examples=3", "seeds=[3]"]
    words += ["gradients.estimators=[disarm,exact,st]", "+model.args.units=1"]
    run = built_run([*SMALL, *words])
    assert run.model.units == (2, 1, 2)
    first = next(iter(run.measured()))
    values = {tag.removeprefix("gradients/"): float(value) for tag, value in first.items()}
    assert values["exact/total/variance"] < 1e-20
    assert values["exact/total/bias"] < 1e-9
    assert values["disarm/total/bias_z"] < 5
    assert values["disarm/evaluations"] == 8
    assert values["in_use/total/cosine"] > 0
    assert values["disarm/layer1/norm"] > 0
    assert "disarm/layer2/estimator_noise" in values
    assert not [tag for tag in values if "layer1" in tag and "noise" in tag and "signal" not in tag]
