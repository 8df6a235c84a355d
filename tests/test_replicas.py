"""Training all seeds at once equals training each seed alone."""

import pytest
import torch
from small import training

from bnrun.core.neurons import SBN, Real
from bnrun.core.noise import Noise
from bnrun.data.batches import Batches
from bnrun.estimators.backprop import Backprop
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.estimators.straight_through import ST
from bnrun.models.cnn import CNN
from bnrun.models.mlp import MLP

SEEDS = [3, 7, 11]
MODELS = {
    "mlp": MLP(hidden=(6, 5)),
    "norm": MLP(hidden=(6, 5), norm="layer", layers=("binary", "tanh")),
    "cnn": CNN(channels=(2, 3), kernel=3, dense=5),
    "pooled bits": CNN(channels=(2, 3), kernel=3, dense=5, pool="bits", norm="none"),
}


def weights_after(steps, seeds, **options):
    run = training(seeds, **options)
    while run.step < steps:
        run.update(run.current_estimators())
    return dict(run.model.named_parameters())


def assert_replica_is_solo(model, optimizer, tolerance):
    together = weights_after(20, SEEDS, model=model, optimizer=optimizer, lr=0.05)
    for replica, seed in enumerate(SEEDS):
        alone = weights_after(20, [seed], model=model, optimizer=optimizer, lr=0.05)
        for name, weight in alone.items():
            error = (together[name][replica] - weight[0]).norm() / weight[0].norm()
            assert error < tolerance, (name, seed)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_a_replica_equals_the_run_of_its_seed_in_float32(model, optimizer):
    assert_replica_is_solo(MODELS[model], optimizer, 1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_a_replica_equals_the_run_of_its_seed_in_float64(model, double):
    assert_replica_is_solo(MODELS[model], torch.optim.SGD, 1e-9)


def test_replicas_of_different_seeds_differ():
    weights = weights_after(3, SEEDS)
    for name, weight in weights.items():
        assert not torch.equal(weight[0], weight[1]), name


def test_clipping_one_replica_does_not_change_the_others(double):
    plain = weights_after(20, SEEDS)
    loose = weights_after(20, SEEDS, clip_norm=1e6)
    tight = weights_after(20, SEEDS, clip_norm=0.01)
    for name, weight in plain.items():
        assert torch.equal(weight, loose[name])
        assert not torch.equal(weight, tight[name])
    for replica, seed in enumerate(SEEDS):
        alone = weights_after(20, [seed], clip_norm=0.01)
        for name, weight in alone.items():
            torch.testing.assert_close(tight[name][replica], weight[0], rtol=1e-9, atol=1e-12)


class Recording:
    """Wraps an estimator and keeps the uniforms that it draws."""

    def __init__(self, inner):
        self.inner = inner
        self.drawn = []

    @property
    def firing_neuron(self):
        return self.inner.firing_neuron

    @property
    def nested(self):
        return self.inner.nested

    def __call__(self, logits, downstream, noise):
        outer = self

        class Spy(Noise):
            def uniform(self, like):
                drawn = noise.uniform(like)
                outer.drawn.append(drawn)
                return drawn

        return self.inner(logits, downstream, Spy(noise.seeds))


def test_two_estimators_with_the_same_seed_get_the_same_weights_batches_and_uniforms():
    inputs = []
    for estimator in (ST(neuron=SBN()), SigmoidST(neuron=SBN(), slope=2.0)):
        run = training(SEEDS, estimator=estimator)
        start = [weight.detach().clone() for weight in run.model.parameters()]
        recording = [Recording(estimator) for _ in run.estimators]
        batches = []
        for step in range(3):
            batches += list(run.batches.at(step))
            run.update(recording)
        inputs.append([*start, *batches, *(u for layer in recording for u in layer.drawn)])
    assert len(inputs[0]) == len(inputs[1]) > 10
    for first, second in zip(*inputs, strict=True):
        assert torch.equal(first, second)


def test_batches_of_a_seed_do_not_depend_on_the_other_seeds():
    data = training([0]).data
    together, alone = Batches(data.train, SEEDS, 10), Batches(data.train, [7], 10)
    for step in (0, 5, 9, 10):
        assert torch.equal(together.at(step).inputs[1], alone.at(step).inputs[0])


def test_a_diverged_replica_is_marked_and_does_not_affect_the_others(double):
    healthy = training(SEEDS)
    nonfinite = training(SEEDS)
    with torch.no_grad():
        next(nonfinite.model.parameters())[1] = float("nan")
    list(healthy.run())
    records = list(nonfinite.run())
    assert nonfinite.diverged_steps() == {"7": 0}
    for one, two in zip(healthy.model.parameters(), nonfinite.model.parameters(), strict=True):
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[2], two[2])
    loss = records[-1].scalars["loss/validation/sampled"]
    assert torch.isfinite(loss).tolist() == [True, False, True]


def test_a_run_ends_early_when_every_replica_has_diverged():
    run = training([0], estimator=Backprop(neuron=Real()), lr=0.5, epochs=50)
    with torch.no_grad():
        next(run.model.parameters()).fill_(float("inf"))
    records = list(run.run())
    assert run.diverged_steps() == {"0": 0}
    assert run.step == 4  # the first logged step
    assert records[-1].step == 4
