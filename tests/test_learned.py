"""Estimators that learn: what and when, and that replicas and samples stay independent."""

import copy
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from quadrature import LOGITS, Estimates, estimates, wavy
from torch import Tensor

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.bitflip import UGC
from bnrun.estimators.double_cv import DoubleCV
from bnrun.estimators.mixture import Mixture
from bnrun.estimators.rebar import REBAR
from bnrun.estimators.reinforce import Reinforce
from bnrun.estimators.relax import RELAX
from bnrun.estimators.rodeo import RODEO
from bnrun.estimators.schedule import Schedule
from bnrun.estimators.tools.baselines import NVIL, MovingAverage, OptimalBaseline
from bnrun.estimators.tools.control_variate import ControlVariate
from bnrun.estimators.tools.learner import Learner, replica_mean
from bnrun.estimators.tools.perceptron import adam_step, fresh_moments, train_perceptron

NEURON = SBN(signed=True)
# Fast learners, so that a few calls are enough.
LEARNERS: dict[str, Callable[[], Learner]] = {
    "moving_average": lambda: Reinforce(NEURON, MovingAverage(decay=0.5)),
    "optimal": lambda: Reinforce(NEURON, OptimalBaseline(decay=0.5)),
    "nvil": lambda: Reinforce(NEURON, NVIL(hidden=5, lr=0.1)),
    "nvil, normalized": lambda: Reinforce(NEURON, NVIL(hidden=5, lr=0.1, normalize=True)),
    "rebar": lambda: REBAR(NEURON, decay=0.5),
    "relax": lambda: RELAX(NEURON, hidden=5, lr=0.1, decay=0.5),
    "double_cv": lambda: DoubleCV(NEURON, decay=0.5),
    "ugc": lambda: UGC(NEURON, decay=0.5),
    "rodeo": lambda: RODEO(NEURON, hidden=5, lr=0.1),
}
LEARNING = {
    **LEARNERS,
    "schedule": lambda: Schedule(NEURON, LEARNERS["rebar"](), LEARNERS["nvil"]()),
    "mixture": lambda: Mixture(NEURON, LEARNERS["relax"](), LEARNERS["optimal"]()),
}


def call(estimator: Callable[..., Tensor], noise: Noise, seeds: int = 1) -> Tensor:
    """The gradient by logits [4, R, 2, 3] of one call."""
    logits = (LOGITS + torch.linspace(-1, 1, 24, dtype=torch.float64).view(4, 1, 2, 3)).expand(
        4, seeds, 2, 3
    )
    logits = logits.clone().requires_grad_()
    weights = torch.tensor([0.8, -0.6, 1.1], dtype=torch.float64)
    loss = estimator(logits, lambda activations: wavy(activations, weights), noise)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    return gradient


def trained(name: str, calls: int = 5):
    estimator = LEARNING[name]()
    noise = Noise([0])
    for _ in range(calls):
        call(estimator, noise)
    return estimator


def flat(state: dict) -> dict[str, Tensor]:
    tensors = {}
    for name, value in state.items():
        parts = flat(value) if isinstance(value, dict) else {"": value}
        tensors |= {f"{name}/{part}": tensor.clone() for part, tensor in parts.items()}
    return tensors


def same(first: dict, second: dict) -> bool:
    first, second = flat(first), flat(second)
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


@pytest.mark.parametrize("name", LEARNING)
def test_an_estimate_does_not_depend_on_what_its_own_samples_teach(name: str) -> None:
    estimator = LEARNING[name]()
    for seed in range(4):
        before = estimator.frozen()
        expected = call(before, Noise([seed]))
        assert torch.equal(call(estimator, Noise([seed])), expected)
        # But it has learned from them.
        assert not torch.equal(call(estimator.frozen(), Noise([seed])), expected)


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("calls", [0, 3])
def test_a_frozen_estimator_does_not_learn(name: str, calls: int) -> None:
    estimator = trained(name, calls)
    before = copy.deepcopy(estimator.state_dict())
    frozen = estimator.frozen()
    first = call(frozen, Noise([9]))
    assert torch.equal(call(frozen, Noise([9])), first)
    assert same(estimator.state_dict(), before)
    assert same(frozen.state_dict(), before)


@pytest.mark.parametrize("name", LEARNING)
def test_nothing_is_learned_without_gradients(name: str) -> None:
    estimator = trained(name)
    before = copy.deepcopy(estimator.state_dict())
    with torch.no_grad():
        estimator(LOGITS.expand(2, 1, 3, -1), lambda bits: bits.square().sum(-1), Noise([0]))
    assert same(estimator.state_dict(), before)


@pytest.mark.parametrize("name", LEARNING)
def test_a_restored_estimator_continues_to_the_bit(name: str) -> None:
    estimator, restored = trained(name), LEARNING[name]()
    file = io.BytesIO()
    torch.save(estimator.state_dict(), file)
    file.seek(0)
    restored.load_state_dict(torch.load(file, weights_only=True))
    first, second = Noise([1]), Noise([1])
    for _ in range(3):
        assert torch.equal(call(estimator, first), call(restored, second))
    assert same(estimator.state_dict(), restored.state_dict())


@pytest.mark.parametrize("name", LEARNING)
def test_a_saved_state_is_not_changed_by_later_calls(name: str) -> None:
    estimator = trained(name)
    saved = estimator.state_dict()
    before = copy.deepcopy(saved)
    call(estimator, Noise([2]))
    assert same(saved, before)
    assert not same(estimator.state_dict(), saved)


@pytest.mark.parametrize("name", LEARNING)
def test_a_deep_copy_learns_independently(name: str) -> None:
    estimator = trained(name)
    twin, before = copy.deepcopy(estimator), copy.deepcopy(estimator.state_dict())
    expected = call(estimator.frozen(), Noise([3]))
    assert torch.equal(call(twin, Noise([3])), expected)
    assert same(estimator.state_dict(), before)
    assert not same(twin.state_dict(), before)


@pytest.mark.parametrize("name", LEARNING)
def test_replica_r_learns_what_its_seed_alone_learns(name: str) -> None:
    seeds = [3, 7, 11]
    together, noise = LEARNING[name](), Noise(seeds)
    alone = [(LEARNING[name](), Noise([seed])) for seed in seeds]
    for _ in range(5):
        gradients = call(together, noise, len(seeds))
        for replica, (estimator, own) in enumerate(alone):
            expected = call(estimator, own)[:, 0]
            assert torch.allclose(gradients[:, replica], expected, rtol=1e-9, atol=1e-12)
    for key, value in flat(together.state_dict()).items():
        assert len(value) == len(seeds)
        for replica, (estimator, _) in enumerate(alone):
            solo = flat(estimator.state_dict())[key][0]
            assert torch.allclose(value[replica], solo, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_replica_of_nan_does_not_affect_the_others(name: str) -> None:
    estimator, healthy = LEARNERS[name](), LEARNERS[name]()
    poison = torch.tensor([1.0, float("nan")], dtype=torch.float64).view(2, 1, 1)

    def downstream(activations: Tensor) -> Tensor:
        return (activations * poison[: activations.shape[-3]]).sum(-1).square()

    for seed in range(3):
        both = estimator(LOGITS.expand(2, 2, -1), downstream, Noise([seed, 5]))
        one = healthy(LOGITS.expand(1, 2, -1), downstream, Noise([seed]))
        assert torch.allclose(both[0], one[0])
    for key, value in healthy.state_dict().items():
        assert value.isfinite().all()
        assert torch.allclose(estimator.state_dict()[key][0], value[0])


@pytest.mark.parametrize("name", LEARNERS)
def test_another_number_of_replicas_is_refused(name: str) -> None:
    estimator = trained(name)
    with pytest.raises(ValueError, match=r"for 1 replicas, but its logits have 2 on axis -3: use"):
        call(estimator, Noise([0, 1]), 2)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_state_in_float64_works_for_logits_in_float32(name: str) -> None:
    estimator = trained(name)
    logits = LOGITS.float().expand(2, 1, 2, -1).clone().requires_grad_()
    loss = estimator(logits, lambda activations: activations.sum(-1).square(), Noise([0]))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.dtype == gradient.dtype == torch.float32


def first_losses(draws: int = 6) -> tuple[Tensor, Tensor, Estimates]:
    """Losses [D] and bits - p [D, U] of the first call with seed 0, and plain REINFORCE's."""
    plain = estimates(Reinforce(NEURON), wavy, Noise([0]), draws)
    bits = NEURON.fire(LOGITS.expand(draws, 1, 1, -1), Noise([0])).view(draws, -1)
    return plain.loss, bits - NEURON.probability(LOGITS), plain


def test_moving_average_is_zero_at_first_and_then_the_weighted_mean_of_the_calls() -> None:
    estimator = Reinforce(NEURON, MovingAverage(decay=0.9))
    noise, means = Noise([0]), []
    for _ in range(4):
        weights = [0.9**age for age in reversed(range(len(means)))]
        average = np.average(means, weights=weights) if means else 0
        plain = estimates(Reinforce(NEURON), wavy, copy.deepcopy(noise), 6)
        bits = NEURON.fire(LOGITS.expand(6, 1, 1, -1), copy.deepcopy(noise)).view(6, -1)
        expected = (plain.loss - average).unsqueeze(-1) * (bits - NEURON.probability(LOGITS))
        assert torch.allclose(estimates(estimator, wavy, noise, 6).logits, expected, rtol=1e-9)
        means.append(float(plain.loss.mean()))


def test_optimal_baseline_averages_from_zero_and_one() -> None:
    estimator = Reinforce(NEURON, OptimalBaseline())
    loss, centred, plain = first_losses()
    assert torch.equal(estimates(estimator, wavy, Noise([0]), 6).logits, plain.logits)
    weighted = 0.05 * (centred.square() * loss.unsqueeze(-1)).mean(0)
    weight = 0.95 + 0.05 * centred.square().mean(0)
    expected = (loss.unsqueeze(-1) - weighted / (weight + 1e-4)) * centred
    second = estimates(estimator, wavy, Noise([0]), 6)
    assert torch.allclose(second.logits, expected, rtol=1e-9)


def test_nvil_subtracts_the_net_and_the_mean_of_its_residual() -> None:
    estimator = Reinforce(NEURON, NVIL(hidden=5, lr=0.01))
    loss, centred, plain = first_losses()
    assert torch.equal(estimates(estimator, wavy, Noise([0]), 6).logits, plain.logits)
    state = estimator.state_dict()
    assert torch.allclose(state["mean"].squeeze(), 0.2 * loss.mean())
    assert torch.allclose(state["variance"].squeeze(), 0.2 * loss.square().mean())
    hidden = (LOGITS @ state["weight1"][0] + state["bias1"][0]).tanh()
    guess = hidden @ state["weight2"][0] + state["bias2"][0]
    expected = (loss - guess - state["mean"]).view(-1, 1) * centred
    second = estimates(estimator, wavy, Noise([0]), 6)
    assert torch.allclose(second.logits, expected, rtol=1e-9)


def test_nvils_net_and_variance_are_of_the_residual_less_its_running_mean() -> None:
    estimator = Reinforce(NEURON, NVIL(hidden=5, lr=0.01))
    loss, _, _ = first_losses()
    estimates(estimator, wavy, Noise([0]), 6)
    memory = copy.deepcopy(estimator.state_dict())
    mean = memory["mean"].squeeze()
    assert mean.abs() > 0.05
    assert estimates(estimator, wavy, Noise([0]), 6).loss.equal(loss)
    weights = {name: memory[name].clone().requires_grad_() for name in PERCEPTRON}

    def signals() -> Tensor:
        hidden = (LOGITS @ weights["weight1"][0] + weights["bias1"][0]).tanh()
        return loss - (hidden @ weights["weight2"][0] + weights["bias2"][0]).squeeze() - mean

    second = estimator.state_dict()
    expected = 0.8 * memory["variance"].squeeze() + 0.2 * signals().square().mean()
    assert torch.allclose(second["variance"].squeeze(), expected, rtol=1e-12)
    # The net's first Adam step went by the first call's losses; its second by these.
    trained = train_perceptron(memory, lambda m: _nvil_loss(m, loss, mean), 0.01)
    wrong = train_perceptron(memory, lambda m: _nvil_loss(m, loss, 0 * mean), 0.01)
    for name in PERCEPTRON:
        assert torch.allclose(second[name], trained[name], rtol=1e-12)
    assert not torch.allclose(second["bias2"], wrong["bias2"], rtol=1e-6)


PERCEPTRON = ("weight1", "bias1", "weight2", "bias2")


def _nvil_loss(memory: dict[str, Tensor], loss: Tensor, mean: Tensor) -> Tensor:
    hidden = (LOGITS @ memory["weight1"][0] + memory["bias1"][0]).tanh()
    guess = (hidden @ memory["weight2"][0] + memory["bias2"][0]).squeeze()
    return (loss - guess - mean).square().mean().view(1, 1, 1)


def test_normalizing_divides_by_the_standard_deviation_and_gives_up_the_claim() -> None:
    plain = Reinforce(NEURON, NVIL(hidden=5, lr=0.01))
    normalized = Reinforce(NEURON, NVIL(hidden=5, lr=0.01, normalize=True))
    assert plain.unbiased
    assert not normalized.unbiased
    assert not copy.deepcopy(normalized).frozen().unbiased
    scale = torch.ones(())
    for seed in range(5):
        ours, theirs = (estimates(e, wavy, Noise([seed]), 50) for e in (normalized, plain))
        assert torch.allclose(ours.logits * scale, theirs.logits, rtol=1e-9)
        scale = normalized.state_dict()["variance"].squeeze().sqrt().clamp(min=1)
    assert scale > 1.5


def test_nvil_learns_a_loss_that_depends_on_the_input() -> None:
    logits = torch.tensor([-2.0, 2.0], dtype=torch.float64).view(1, 2, 1).expand(1, 2, 3)
    offset = torch.tensor([10.0, -10.0], dtype=torch.float64)

    def variance(estimator: Learner) -> Tensor:
        leaf = logits.expand(400, 1, 2, 3).clone().requires_grad_()
        loss = estimator.frozen()(leaf, downstream, Noise([1]))
        return torch.autograd.grad(loss.sum(), leaf)[0].var(0).sum()

    def downstream(activations: Tensor) -> Tensor:
        return activations.sum(-1) + offset

    estimator = Reinforce(NEURON, NVIL(hidden=5, lr=0.1))
    before, noise = variance(estimator), Noise([0])
    for _ in range(200):
        estimator(logits.clone().requires_grad_(), downstream, noise)
    assert variance(estimator) < 0.1 * before


def test_baselines_lower_the_variance_of_a_loss_with_an_offset() -> None:
    def shifted(activations: Tensor, weights: Tensor) -> Tensor:
        return wavy(activations, weights) + 20

    plain = estimates(Reinforce(NEURON), shifted, Noise([0]), 2000).logits.var(0)
    for name in ("moving_average", "optimal"):
        estimator, noise = LEARNERS[name](), Noise([1])
        for _ in range(20):
            estimates(estimator, shifted, noise, 50)
        learned = estimates(estimator.frozen(), shifted, Noise([0]), 2000).logits.var(0)
        assert (learned < 0.2 * plain).all()


def test_adam_step_is_torchs_adam() -> None:
    parameter = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64, requires_grad=True)
    memory = {"a": parameter.detach().clone()}
    memory |= fresh_moments(memory, ["a"])
    optimizer = torch.optim.Adam([parameter], lr=0.1)

    def loss(value: Tensor) -> Tensor:
        return (value - torch.tensor([0.3, 0.1])).pow(4).sum(-1)

    for _ in range(5):
        memory = adam_step(memory, ["a"], lambda memory: loss(memory["a"]), 0.1)
        optimizer.zero_grad()
        loss(parameter).sum().backward()
        optimizer.step()
        assert torch.allclose(memory["a"], parameter.detach(), rtol=1e-9)


def test_replica_mean_is_over_samples_and_examples() -> None:
    values = torch.arange(2 * 3 * 4 * 5 * 2).double().view(2, 3, 4, 5, 2)
    assert torch.allclose(replica_mean(values), values.mean((0, 1, 3)).unsqueeze(1))
    assert torch.allclose(replica_mean(values[0, 0]), values[0, 0].mean(1, keepdim=True))


def test_eta_is_logged_after_the_first_call() -> None:
    for name in ("rebar", "relax", "double_cv"):
        estimator = LEARNERS[name]()
        assert isinstance(estimator, ControlVariate)
        assert estimator.scalars() == {}
        call(estimator, Noise([0]))
        assert set(estimator.scalars()) == {"eta"}
