"""RODEO: the Gibbs operator has mean 0, the formula, and that learning lowers the variance."""

import pytest
import torch
from quadrature import LOGITS, WEIGHTS, all_draws, estimates, exact, mean, total_variance, wavy
from torch import Tensor

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.exact import patterns
from bnrun.estimators.rloo import RLOO, others
from bnrun.estimators.rodeo import RODEO, surrogate

NEURON = SBN(signed=True, slope=1.3)
P = NEURON.probability(LOGITS)


def trained(samples: int = 2, calls: int = 300, lr: float = 0.02) -> RODEO:
    estimator, noise = RODEO(NEURON, samples=samples, hidden=16, lr=lr), Noise([0])
    for _ in range(calls):
        estimates(estimator, wavy, noise, 40)
    return estimator


def gibbs(function, bits: Tensor) -> Tensor:
    """(A h)(b), written out for one pattern of bits, [U]."""
    weight = torch.where(bits > 0, 1 - P, P)
    flips = [(bits - one).abs() for one in torch.eye(len(bits)).double()]
    parts = [w * (function(flip) - function(bits)) for w, flip in zip(weight, flips, strict=True)]
    return sum(parts) / len(parts)


@pytest.mark.parametrize("vector", [False, True])
def test_gibbs_operator_has_mean_zero(vector):
    def function(bits: Tensor) -> Tensor:
        value = (bits @ WEIGHTS + 0.3).exp()
        return value * (bits - P) if vector else value

    every = patterns(3, LOGITS)
    chance = torch.where(every > 0, P, 1 - P).prod(-1)
    total = sum(q * gibbs(function, bits) for q, bits in zip(chance, every, strict=True))
    assert torch.allclose(total, torch.zeros(()).double(), atol=1e-12)
    # With the probability of the bit itself in place of the flipped one's it has not.
    wrong = sum(
        q * gibbs(lambda b: function(1 - b), bits) * (1 + bits[0])
        for q, bits in zip(chance, every, strict=True)
    )
    assert wrong.abs().max() > 0.01


@pytest.mark.parametrize("samples", [2, 3])
def test_estimate_is_the_published_formula_for_every_draw(samples):
    estimator = trained(samples, calls=20).frozen()
    memory = estimator.state_dict()
    uniforms = Noise([4]).uniform(LOGITS.expand(samples, 6, 1, 1, 3))
    bits = (uniforms < P).double()[:, :, 0, 0]
    activations = NEURON.encode(bits).requires_grad_()
    losses = wavy(activations, WEIGHTS)
    slopes = 2 * torch.autograd.grad(losses.sum(), activations)[0]
    drawn = estimates(estimator, wavy, Given(uniforms), 6).logits
    for draw in range(6):
        b, f, d = bits[:, draw], losses[:, draw].detach(), slopes[:, draw]

        def h(k: int, point: Tensor, b: Tensor = b, f: Tensor = f, d: Tensor = d) -> Tensor:
            rest = [j for j in range(samples) if j != k]
            # The net sees the mean of the others' losses and of their linear parts; the linear
            # part of a mean derivative is that of the mean.
            slope = d[rest].mean(0)
            linear = slope @ point - (d[rest] * b[rest]).sum(-1).mean()
            one = torch.ones(1, 1, 1).double()
            return surrogate(memory, linear * one, f[rest].mean() * one).view(2)

        stein = [gibbs(lambda point, k=k: h(k, point)[:1], b[k]) for k in range(samples)]
        expected = torch.zeros(3).double()
        for k in range(samples):
            rest = [j for j in range(samples) if j != k]
            baseline = sum(f[j] + memory["alpha"].view(1) * stein[j] for j in rest) / len(rest)
            control = gibbs(lambda point, k=k: h(k, point)[1] * (point - P), b[k])
            expected += (f[k] - baseline) * (b[k] - P) + memory["beta"].view(1) * control
        torch.testing.assert_close(drawn[draw], 1.3 * expected / samples, rtol=1e-9, atol=1e-12)


class Given(Noise):
    def __init__(self, uniforms: Tensor) -> None:
        super().__init__([0])
        self.uniforms = uniforms

    def uniform(self, like: Tensor) -> Tensor:
        return self.uniforms


def test_others_is_the_mean_of_the_other_samples():
    values = torch.tensor([1.0, 5.0, 9.0])
    assert others(values).tolist() == [7.0, 5.0, 3.0]


def test_rodeo_starts_as_leave_one_out():
    ours, theirs = (
        estimates(estimator, wavy, Noise([0]), 50)
        for estimator in (RODEO(NEURON), RLOO(NEURON, samples=2))
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_mean_over_all_draws_is_exact_with_a_trained_net():
    estimator = trained()
    assert min(abs(value) for value in estimator.scalars().values()) > 0.05
    result = mean(*all_draws(estimator.frozen(), wavy, "pair"))
    for ours, truth in zip(result, exact(estimator, wavy), strict=True):
        torch.testing.assert_close(ours, truth, rtol=1e-9, atol=1e-9)


def test_alpha_beta_and_the_net_learn_to_lower_the_variance():
    plain = total_variance(RLOO(NEURON, samples=2), wavy, "pair", 1)
    learned = total_variance(trained().frozen(), wavy, "pair", 1)
    assert learned < 0.6 * plain


def test_each_seed_has_a_net_of_its_own():
    memory = RODEO(NEURON).fresh(torch.zeros(2, 1, 3), Noise([3, 7]))
    assert not torch.equal(*memory["weight1"])
    assert torch.equal(
        memory["weight2"][1], RODEO(NEURON).fresh(torch.zeros(1, 1, 3), Noise([7]))["weight2"][0]
    )


def test_initial_weights_of_the_net_give_every_unit_a_variance_of_one():
    noise = Noise(range(400))
    memory = RODEO(neuron=SBN(), hidden=50).fresh(torch.zeros(400, 1, 3), noise)
    for name, inputs in (("weight1", 2), ("weight2", 50)):
        # Of 20,000 normals or more, so that the standard error is at most .5 %.
        assert memory[name].square().mean() * inputs == pytest.approx(1.0, rel=0.03)
