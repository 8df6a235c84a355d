"""Estimators that learn: what and when, and that replicas and samples stay independent."""

import copy
import io
from collections.abc import Callable

import pytest
import torch
from learners import LEARNERS, NEURON
from quadrature import LOGITS, wavy
from same import same
from torch import Tensor

from bnrun.core.noise import Noise
from bnrun.estimators.mixture import Mixture
from bnrun.estimators.schedule import Schedule
from bnrun.estimators.tools.control_variate import ControlVariate
from bnrun.estimators.tools.learner import replica_mean
from bnrun.estimators.tools.perceptron import adam_step, fresh_moments

LEARNING = {
    **LEARNERS,
    "schedule": lambda: Schedule(NEURON, LEARNERS["rebar"](), LEARNERS["nvil"]()),
    "mixture": lambda: Mixture(NEURON, LEARNERS["relax"](), LEARNERS["optimal"]()),
}


def call(estimator: Callable[..., Tensor], noise: Noise, seeds: int = 1) -> Tensor:
    """The gradient with respect to logits [4, R, 2, 3] of one call."""
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
