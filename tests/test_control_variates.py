"""MuProp, REBAR, RELAX and double control variates: formulas, coefficients, and no leaks."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from quadrature import LOGITS, Replay, all_draws, estimates, exact, total_variance, wavy
from torch import Tensor

from bnrun.core.chain import nest
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator
from bnrun.estimators.double_cv import DoubleCV
from bnrun.estimators.muprop import MuProp
from bnrun.estimators.rebar import REBAR
from bnrun.estimators.reinforce import Reinforce
from bnrun.estimators.relax import RELAX
from bnrun.estimators.rloo import RLOO
from bnrun.estimators.rodeo import RODEO
from bnrun.estimators.tools.control_variate import ControlVariate
from bnrun.estimators.tools.learner import Learner
from bnrun.estimators.tools.relaxed_control import latents

NEURON = SBN(signed=True, slope=1.7)


def started(estimator: Learner) -> Estimator:
    """After some calls, frozen: its coefficients are 0 at first."""
    for seed in range(3):
        estimates(estimator, wavy, Noise([seed]), 50)
    return estimator.frozen()


# Each with the plain estimator that fires the same bits from the same uniforms.
CASES: dict[str, tuple[Estimator, Estimator]] = {
    "muprop": (MuProp(NEURON), Reinforce(NEURON)),
    "rebar": (REBAR(NEURON), Reinforce(NEURON)),
    "rebar, coupled": (REBAR(NEURON, coupled=True), Reinforce(NEURON)),
    "relax": (RELAX(NEURON), Reinforce(NEURON)),
    "double_cv": (DoubleCV(NEURON), RLOO(NEURON, samples=2)),
    "rodeo": (started(RODEO(NEURON, lr=0.1)), RLOO(NEURON, samples=2)),
}


def linear(activations: Tensor, weights: Tensor) -> Tensor:
    return (activations * weights).sum(-1) + 0.7


@pytest.mark.parametrize("case", CASES)
def test_side_evaluations_do_not_change_the_loss_or_the_gradients_of_the_weights(case: str) -> None:
    estimator, plain = CASES[case]
    for seed in range(3):
        ours, theirs = (estimates(e, wavy, Noise([seed]), 50) for e in (estimator, plain))
        assert torch.equal(ours.loss, theirs.loss)
        assert torch.equal(ours.weights, theirs.weights)
        assert not torch.allclose(ours.logits, theirs.logits)


@pytest.mark.parametrize("case", CASES)
def test_a_call_leaves_no_gradient_behind(case: str) -> None:
    estimator, _ = CASES[case]
    logits = LOGITS.expand(4, 1, 2, -1).clone().requires_grad_()
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    loss = estimator(logits, lambda activations: wavy(activations, weights), Noise([0]))
    assert weights.grad is None
    assert logits.grad is None
    assert not any(value.requires_grad for value in estimator.state_dict().values())
    loss.sum().backward()
    assert weights.grad is not None


@pytest.mark.parametrize("case", CASES)
def test_without_gradients_the_downstream_is_called_once(case: str) -> None:
    estimator, plain = CASES[case]
    calls = []

    def downstream(activations: Tensor) -> Tensor:
        calls.append(len(activations))
        return activations.square().sum(-1)

    with torch.no_grad():
        logits = LOGITS.expand(4, 1, 2, -1)
        loss = estimator(logits, downstream, Noise([0]))
        assert len(calls) == 1
        assert torch.equal(loss, plain(logits, downstream, Noise([0])))


@pytest.mark.parametrize("coupled", [False, True])
def test_rebar_with_eta_zero_is_reinforce_to_the_bit(coupled: bool) -> None:
    rebar = REBAR(NEURON, eta=0, decay=1, coupled=coupled)
    for seed in range(3):
        ours, theirs = (estimates(e, wavy, Noise([seed]), 50) for e in (rebar, Reinforce(NEURON)))
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_double_cv_with_eta_zero_is_leave_one_out_with_two_samples() -> None:
    estimators = DoubleCV(NEURON, eta=0, decay=1), RLOO(NEURON, samples=2)
    ours, theirs = (estimates(e, wavy, Noise([0]), 50) for e in estimators)
    assert all(torch.allclose(a, b, rtol=1e-12) for a, b in zip(ours, theirs, strict=True))


def test_relax_starts_as_rebar() -> None:
    ours, theirs = (estimates(e, wavy, Noise([0]), 50) for e in (RELAX(NEURON), REBAR(NEURON)))
    assert torch.allclose(ours.logits, theirs.logits, rtol=1e-12)


@pytest.mark.parametrize(
    ("estimator", "layout"), [(MuProp(NEURON), "one"), (DoubleCV(NEURON), "pair")], ids=str
)
def test_linear_control_variates_leave_no_variance_on_a_linear_loss(
    estimator: Estimator, layout: str
) -> None:
    drawn, _ = all_draws(estimator, linear, layout)
    truth = exact(estimator, linear).logits
    assert torch.allclose(drawn.logits, truth.expand_as(drawn.logits), rtol=1e-9)


def textbook(scaled: Tensor, bits: Tensor, fresh: Tensor) -> Tensor:
    """z~ = a + logit v' with v' uniform on the side of 1 - p that the bit is on."""
    p = torch.sigmoid(scaled)
    given = torch.where(bits > 0, fresh * p + 1 - p, fresh * (1 - p))
    return scaled + torch.logit(given)


@pytest.mark.parametrize("coupled", [False, True])
def test_z_given_the_bits_and_its_derivative_are_those_of_the_formula(coupled: bool) -> None:
    noise = Noise([0])
    scaled = 2 * noise.normal(torch.empty(200, 1, 1, 3, dtype=torch.float64)).requires_grad_()
    uniforms, fresh = noise.uniform(scaled), noise.uniform(scaled)
    p = torch.sigmoid(scaled.detach())
    bits = (uniforms < p).double()
    drawn = latents(SBN(), scaled.detach(), bits, uniforms, Replay(fresh), coupled)
    if coupled:
        fresh = torch.where(bits > 0, 1 - uniforms / p, (1 - uniforms) / (1 - p))
    else:
        # The formula mirrors v for a zero; both are uniform.
        fresh = torch.where(bits > 0, fresh, 1 - fresh)
    expected = textbook(scaled, bits, fresh)
    (derivative,) = torch.autograd.grad(expected.sum(), scaled)
    assert torch.equal(drawn.points > 0, (bits > 0).expand_as(drawn.points))
    assert torch.allclose(drawn.points[-1], expected, rtol=1e-9, atol=1e-9)
    assert torch.allclose(drawn.derivative, derivative, rtol=1e-9, atol=1e-9)
    assert torch.allclose(drawn.points[0], scaled - torch.logit(uniforms), rtol=1e-12)


def best_eta(build: Callable[..., Estimator], layout: str, nodes: int) -> float:
    """Where the variance, a parabola in eta, is least."""
    variance = [
        total_variance(build(eta=eta, decay=1), wavy, layout, nodes) for eta in (0.0, 1.0, 2.0)
    ]
    curvature = (variance[0] - 2 * variance[1] + variance[2]) / 2
    return float((variance[0] - variance[1]) / curvature + 1) / 2


def coupled_rebar(**fields: float) -> REBAR:
    return REBAR(NEURON, coupled=True, **fields)


def trained_relax(**fields: float) -> RELAX:
    """With a net that was trained long enough to matter, and hardly changes now."""
    trained = RELAX(NEURON, coupled=True, hidden=5, lr=0.1)
    noise = Noise([0])
    for _ in range(10):
        estimates(trained, wavy, noise, 50)
    relax = RELAX(NEURON, coupled=True, hidden=5, lr=1e-12, **fields)
    forgotten = {name: torch.zeros(1, 1, 1).double() for name in ("product", "square")}
    relax.load_state_dict(trained.state_dict() | forgotten)
    return relax


@pytest.mark.parametrize(
    ("build", "layout", "nodes"),
    [
        (partial(DoubleCV, NEURON), "pair", 1),
        (coupled_rebar, "one", 8),
        (trained_relax, "one", 10),
    ],
    ids=["double_cv", "rebar", "relax"],
)
def test_eta_goes_to_the_coefficient_of_least_variance(
    build: Callable[..., ControlVariate], layout: str, nodes: int
) -> None:
    estimator, noise = build(eta=-3.0, decay=0.9), Noise([0])
    for _ in range(20):
        estimates(estimator, wavy, noise, 10_000)
    assert estimator.scalars()["eta"] == pytest.approx(best_eta(build, layout, nodes), rel=0.03)


def test_decay_of_one_keeps_eta() -> None:
    estimator = DoubleCV(NEURON, eta=0.3, decay=1)
    for _ in range(3):
        estimates(estimator, wavy, Noise([0]), 10)
    assert estimator.scalars() == {"eta": pytest.approx(0.3)}


def test_relax_learns_to_correct_the_relaxation() -> None:
    def rippled(activations: Tensor, weights: Tensor) -> Tensor:
        # The ripple is 0 at every bit, and distorts f(s(z)) in between.
        ripple = 3 * torch.sin(2 * torch.pi * activations)
        return ((1 + weights) * activations + ripple).sum(-1).square() + 1

    logits = torch.tensor([0.3, -0.5], dtype=torch.float64)
    rebar, relax = REBAR(SBN(), coupled=True), RELAX(SBN(), coupled=True, hidden=20, lr=0.03)
    for estimator in (rebar, relax):
        noise = Noise([0])
        for _ in range(100):
            estimates(estimator, rippled, noise, 50, logits)
    plain, learned = (
        total_variance(estimator.frozen(), rippled, "one", 20, logits)
        for estimator in (rebar, relax)
    )
    assert learned < 0.3 * plain


@pytest.mark.parametrize("case", CASES)
def test_nested_side_evaluations_do_not_change_the_gradients_between_the_layers(
    case: str,
) -> None:
    estimator, plain = CASES[case]
    stage = torch.linspace(-1, 1, 9, dtype=torch.float64).view(3, 3).requires_grad_()
    head = torch.tensor([0.8, -0.6, 1.1], dtype=torch.float64, requires_grad=True)

    def gradients(outer: Estimator) -> tuple[Tensor, ...]:
        behind = nest(
            [lambda activations: activations @ stage],
            [Reinforce(NEURON)],
            lambda fired: wavy(fired[-1].activations, head),
            Noise([8]),
        )
        loss = outer(LOGITS.expand(30, 1, 2, -1), behind, Noise([0]))
        return torch.autograd.grad(loss.sum(), [stage, head])

    for ours, theirs in zip(gradients(estimator), gradients(plain), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12)
