"""Statistics of the units of a layer, and gradients as they pass."""

import math

import pytest
import torch
from configured import built
from small import training

from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.measurement import observation
from bnrun.measurement.observation import (
    Tap,
    bimodality,
    layer_logits,
    observe_units,
    parameter_gradient_norms,
    probe_batch,
    replica_norm,
    unit_statistics,
)
from bnrun.recording import tags

QUANTILES = torch.linspace(1e-6, 1 - 1e-6, 200_001, dtype=torch.float64)


@pytest.mark.parametrize(
    ("values", "coefficient"),
    [
        (torch.tensor([-1.0, 1.0] * 500), 1),
        # Two values, however often each occurs.
        (torch.tensor([0.0] * 900 + [1.0] * 100), 1),
        (QUANTILES, 5 / 9),
        (torch.distributions.Normal(3.0, 2.0).icdf(QUANTILES), 1 / 3),
        (torch.full((1000,), -0.0999), 0),
        (torch.zeros(1000), 0),
    ],
    ids=["even", "uneven", "uniform", "normal", "constant", "zero"],
)
def test_bimodality_of_known_distributions(values, coefficient):
    for dtype in (torch.float32, torch.float64):
        actual = bimodality(values.to(dtype).view(1, -1, 1))
        assert actual.item() == pytest.approx(coefficient, abs=1e-3)


def logit(probability):
    return math.log(probability / (1 - probability))


# Two replicas, four examples, three units.
LOGITS = torch.tensor(
    [
        [[0.0, logit(0.995), logit(0.3)]] * 2 + [[0.0, logit(0.5), logit(0.6)]] * 2,
        [[1.0, logit(0.001), -1.0]] * 4,
    ],
    dtype=torch.float64,
)


def entropy(probability):
    return -sum(p * math.log2(p) for p in (probability, 1 - probability))


def test_units_of_a_stochastic_layer():
    statistics = unit_statistics(LOGITS, SBN())
    rates = [0.5 * 4, 0.995 * 2 + 0.5 * 2, 0.3 * 2 + 0.6 * 2]
    assert statistics["firing_rate"][0].item() == pytest.approx(sum(rates) / 12)
    parts = [4 * entropy(0.5), 2 * entropy(0.995), 2 * entropy(0.5), 2 * entropy(0.3)]
    expected = (sum(parts) + 2 * entropy(0.6)) / 12
    assert statistics["entropy"][0].item() == pytest.approx(expected)
    assert statistics["saturated"].tolist() == pytest.approx([2 / 12, 4 / 12])
    # On the same side of 1/2 for every example: only the first unit, which is at it, of replica 0.
    assert statistics["dead"].tolist() == pytest.approx([1 / 3, 1])
    assert statistics["bimodality"].tolist() == pytest.approx([2 / 3, 0])


def test_saturation_starts_below_1_and_above_99_percent():
    for probability, share in ((0.0101, 0), (0.0099, 1), (0.9899, 0), (0.9901, 1)):
        logits = torch.full((1, 2, 3), logit(probability), dtype=torch.float64)
        assert unit_statistics(logits, SBN())["saturated"].item() == share


def test_units_of_a_deterministic_layer_fire_above_zero_only():
    statistics = unit_statistics(LOGITS, DBN())
    assert statistics["firing_rate"].tolist() == pytest.approx([4 / 12, 4 / 12])
    assert statistics["entropy"].tolist() == [0, 0]


def test_a_norm_is_over_all_but_the_replicas():
    values = torch.tensor([[[3.0], [4.0]], [[-5.0], [12.0]]])
    assert replica_norm(values).tolist() == [5, 13]
    assert replica_norm(torch.tensor([-2.0, 3.0])).tolist() == [2, 3]


def test_norms_of_gradients_are_those_of_each_replica():
    run = training([3, 7])
    tap = Tap(run.model, run.current_estimators())
    run.update(tap.estimators, tap)
    norms = parameter_gradient_norms(run.model)
    assert len(norms) == len(list(run.model.parameters()))
    for (name, parameter), (tag, norm) in zip(
        run.model.named_parameters(), norms.items(), strict=True
    ):
        assert name in tag
        for replica in range(2):
            expected = parameter.grad[replica].square().sum().sqrt()
            torch.testing.assert_close(norm[replica], expected)
    for layer in range(2):
        (logits,) = tap.logits(layer)
        expected = logits.grad.square().sum((-1, -2)).sqrt()
        torch.testing.assert_close(tap.gradient_norm(layer, 2), expected)


def test_all_evaluations_of_a_layer_are_in_the_norm_of_its_gradient():
    run = built(["estimator=disarm", "model.hidden=[4,3]", "seeds=[3,7]", "dtype=float64"])
    tap = Tap(run.model, run.current_estimators())
    run.update(tap.estimators, tap)
    # The first layer's estimator evaluates the second on an axis of samples, [S, R, B, U].
    (logits,) = tap.logits(1)
    assert logits.dim() == 4
    expected = logits.grad.square().sum((0, 2, 3)).sqrt()
    torch.testing.assert_close(tap.gradient_norm(1, 2), expected)
    twice = Tap(run.model, run.estimators)
    for seen in (logits, tap.logits(0)[0]):
        twice(1, slice(None), seen)
    both = (expected.square() + tap.gradient_norm(0, 2).square()).sqrt()
    torch.testing.assert_close(twice.gradient_norm(1, 2), both)


def test_histograms_are_of_each_replica_and_thinned_evenly(monkeypatch):
    run = training([3, 7])
    neurons = [estimator.evaluation_neuron for estimator in run.current_estimators()]
    inputs = probe_batch(run.data.validation, [3, 7]).inputs
    logits = layer_logits(run.model, neurons, inputs, Noise([3, 7]))
    whole = observe_units(run.model, neurons, inputs, Noise([3, 7]))["histograms"]
    assert [values.shape for values in whole.values()] == [(2, 20 * 6), (2, 20 * 5)]
    for values, layer in zip(whole.values(), logits, strict=True):
        assert torch.equal(values, layer.flatten(1))
    for most, stride in ((120, 1), (119, 2), (60, 2), (59, 3), (1, 120)):
        monkeypatch.setattr(observation, "HISTOGRAM_VALUES", most)
        thinned = observe_units(run.model, neurons, inputs, Noise([3, 7]))["histograms"]
        first = next(iter(thinned.values()))
        assert torch.equal(first, logits[0].flatten(1)[:, ::stride])
        assert first.shape[1] <= most


def test_layers_are_observed_as_they_fire_in_training():
    run = training([3, 7])
    inputs = probe_batch(run.data.validation, [3, 7]).inputs
    for neuron in (SBN(), DBN()):
        first, second = layer_logits(run.model, [neuron] * 2, inputs, Noise([3, 7]))
        fired = neuron.fire(first, Noise([3, 7]))
        torch.testing.assert_close(second, run.model.stages[1](fired))
    observed = observe_units(run.model, [SBN(), DBN()], inputs, Noise([3, 7]))
    assert observed["images"][tags.filters(1)].shape == (6, 8, 8)
    assert {tag.split("/")[1] for tag in observed["scalars"]} == {"layer1", "layer2"}
