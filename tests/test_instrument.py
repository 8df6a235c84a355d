"""The gradient instrument measures estimates correctly and does not affect the training."""

import pytest
import torch
from configured import built
from measuring_runs import ONE_LAYER, TWO_LAYERS, measured

from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.measurement.instrument import _reference_statistics
from bnrun.measurement.probe import Probe


@pytest.fixture(scope="module")
def two_layers():
    names = "[st,disarm,rloo,exact]"
    scalars = measured([*TWO_LAYERS, f"gradients.estimators={names}"])
    torch.set_default_dtype(torch.float32)
    return scalars


def test_exact_has_neither_bias_nor_variance(two_layers):
    for layer in ("layer1", "layer2", "total"):
        assert two_layers[f"gradients/exact/{layer}/bias"].max() < 1e-6
        assert two_layers[f"gradients/exact/{layer}/variance"].max() < 1e-20
        assert two_layers[f"gradients/exact/{layer}/cosine"].min() > 1 - 1e-9


@pytest.mark.parametrize("name", ["disarm", "rloo"])
def test_unbiased_estimators_show_no_bias(two_layers, name):
    for layer in ("layer1", "layer2", "total"):
        assert two_layers[f"gradients/{name}/{layer}/bias_z"].abs().max() < 5


def test_plain_straight_through_shows_its_bias(two_layers):
    assert two_layers["gradients/st/total/bias_z"].min() > 100
    assert two_layers["gradients/st/total/bias"].min() > 0.5


def test_mean_squared_error_is_bias_squared_plus_variance(two_layers):
    norm = two_layers["gradients/reference-exact/total/norm"]
    bias = two_layers["gradients/st/total/bias"] * norm
    variance = two_layers["gradients/st/total/variance"]
    torch.testing.assert_close(
        two_layers["gradients/st/total/mse"], bias**2 + variance, rtol=1e-3, atol=0
    )


def test_evaluations_are_counted_through_all_layers(two_layers):
    assert two_layers["gradients/st/evaluations"].tolist() == [1, 1]
    assert two_layers["gradients/disarm/evaluations"].tolist() == [4, 4]
    assert two_layers["gradients/exact/evaluations"].tolist() == [32, 32]


def test_the_reference_is_the_derivative_of_the_enumerated_loss(double):
    training = built(TWO_LAYERS)
    inputs, targets = (part[:6] for part in training.data.train)
    reference = training.instrument.reference
    probe = Probe(training.model, training.task, training.data.train, training.seeds, 2**20)
    probe.split = type(probe.split)(inputs, targets)
    layers = probe.draw(reference.estimators, 1, Noise(training.seeds))
    step = 1e-5
    for number, layer in enumerate(layers):
        bias = training.model.stages[number][-1].bias
        gradient = layer[0].sum(1)  # over examples: with respect to the layer's bias, [R, U]
        for unit in range(bias.shape[-1]):
            losses = []
            for sign in (1, -1):
                with torch.no_grad():
                    bias[..., unit] += sign * step
                    batch = Split(*(part.expand(2, *part.shape) for part in (inputs, targets)))
                    network = training.network(reference.estimators, batch, training.noise)
                    losses.append(network(batch.inputs).sum(-1))
                    bias[..., unit] -= sign * step
            expected = (losses[0] - losses[1]) / (2 * step)
            torch.testing.assert_close(gradient[:, unit], expected, rtol=1e-6, atol=1e-8)


def test_a_sampled_reference_agrees_with_enumeration_within_its_error():
    exact = measured(ONE_LAYER)
    sampled = measured([*ONE_LAYER, "gradients.reference=disarm", "gradients.reference_draws=4000"])
    error = sampled["gradients/reference-disarm/total/relative_error"]
    assert (error > 0).all()
    assert (error < 0.1).all()
    ratio = (
        sampled["gradients/reference-disarm/total/norm"]
        / exact["gradients/reference-exact/total/norm"]
    )
    assert ((ratio - 1).abs() < 4 * error).all()
    assert (
        sampled["gradients/in_use/total/cosine"].min()
        > 0.99 * exact["gradients/in_use/total/cosine"].min()
    )


def test_the_memory_limit_changes_the_chunks_and_not_the_draws():
    large = measured([*ONE_LAYER, "gradients.draws=300", "gradients.memory=1000"])
    training = built([*ONE_LAYER, "gradients.draws=300"])
    training.instrument.memory = 100_000  # a few draws at a time
    (small,) = training.measured()
    for tag, value in large.items():
        torch.testing.assert_close(small[tag], value, rtol=1e-9, atol=1e-12)


def test_measuring_does_not_affect_the_training():
    plain = built([*TWO_LAYERS, "gradients.every=null", "estimator=reinforce_nvil"])
    measured_too = built([*TWO_LAYERS, "gradients.draws=10", "estimator=reinforce_nvil"])
    list(plain.run())
    list(measured_too.run())
    for one, two in zip(plain.model.parameters(), measured_too.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_both_noises_are_those_of_the_gradient_of_a_layers_bias():
    batch = 6
    words = [*ONE_LAYER, "trainer.batch_size=6", "gradients.examples=40", "gradients.draws=400"]
    training = built([*words, "gradients.estimators=[disarm]"])
    (scalars,) = training.measured()
    probe = Probe(training.model, training.task, training.data.train, training.seeds, 2**28)
    probe.split = training.data.train.spread(40)
    reference = training.instrument.reference
    (truth,) = probe.draw(reference.estimators, 1, Noise(training.seeds))
    (draws,) = probe.draw(training.instrument.estimators["disarm"], 4000, Noise([5, 6]))
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(40, (20_000, batch), generator=generator)
    minibatch = truth[0][:, chosen].mean(2).var(1).sum(-1)  # [R]
    noise = scalars["gradients/reference-exact/layer1/minibatch_noise"]
    torch.testing.assert_close(noise, minibatch * 40 / 39, rtol=0.05, atol=0)
    estimator = draws.mean(2).var(0).sum(-1) * 40 / batch
    noise = scalars["gradients/disarm/layer1/estimator_noise"]
    torch.testing.assert_close(noise, estimator, rtol=0.15, atol=0)


@pytest.mark.parametrize("draws", [1, 2, 5, 100])
def test_the_noise_of_a_references_draws_does_not_count_as_that_of_the_minibatch(draws):
    generator = torch.Generator().manual_seed(0)
    examples = torch.randn(1, 2, 3000, 4, generator=generator, dtype=torch.float64)
    sampling = 3 * torch.randn(draws, 2, 3000, 4, generator=generator, dtype=torch.float64)
    layer = examples + (sampling if draws > 1 else 0)
    noise = _reference_statistics([layer], [False], batch_size=10)["layer1", "minibatch_noise"]
    # Variance 1 in each of 4 units; what the draws add, 36 / draws, is subtracted.
    torch.testing.assert_close(noise, torch.full_like(noise, 0.4), rtol=0.2, atol=0)


def test_the_noise_of_few_examples_has_the_correction_of_the_sample_variance():
    layer = torch.tensor([[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]]).view(1, 1, 3, 2).double()
    noise = _reference_statistics([layer], [False], batch_size=5)["layer1", "minibatch_noise"]
    assert noise.tolist() == pytest.approx([(14 / 2 + 6 / 2) / 5], rel=1e-12)


def test_the_error_of_averages_falls_for_unbiased_estimators_and_plateaus_for_biased_ones():
    words = [*ONE_LAYER, "gradients.estimators=[disarm,st]", "gradients.averages=[1,100]"]
    scalars = measured(words)
    unbiased = scalars["gradients/disarm/total/relative_rmse_100"]
    assert (unbiased < 0.15 * scalars["gradients/disarm/total/relative_rmse_1"]).all()
    biased = scalars["gradients/st/total/relative_rmse_100"]
    assert (biased > 0.9 * scalars["gradients/st/total/bias"]).all()


def test_local_expectation_needs_fewer_draws_than_other_references():
    words = [*ONE_LAYER, "gradients.draws=2"]
    for name, draws in (("local_expectation", 64), ("disarm", 4096), ("exact", 1)):
        reference = built([*words, f"gradients.reference={name}"]).instrument.reference
        assert (reference.name, reference.draws) == (name, draws)
    given = built([*words, "gradients.reference=disarm", "gradients.reference_draws=7"])
    assert given.instrument.reference.draws == 7
