"""What autograd and torch.func make of an estimate is right, or refused in a sentence."""

import dataclasses

import pytest
import torch
from all_estimators import NAMES
from calls import LOGITS, WEIGHT, loaded, square
from torch.utils.checkpoint import checkpoint

import bnrun
from bnrun.estimators.tools.gradients import inject

# Estimates that are a function of the logits, at fixed noise.
DIFFERENTIABLE = {"sigmoid_st", "gumbel_sigmoid", "exact", "backprop"}


@pytest.mark.parametrize("name", NAMES)
def test_autocast_reaches_downstream_and_not_the_estimator(name):
    seen = []
    logits = torch.full((1, 1, 8), 30.0).requires_grad_()

    def downstream(activations):
        product = activations @ WEIGHT.unsqueeze(-1)
        seen.append(product.dtype)
        return product.squeeze(-1)

    with torch.autocast("cpu", torch.bfloat16):
        loss = loaded(name)(logits, downstream, bnrun.Noise([0]))
    (by_logits,) = torch.autograd.grad(loss.sum(), logits)
    assert set(seen) == {torch.bfloat16}
    assert loss.dtype == torch.float32
    assert by_logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reentrant", [True, False])
def test_recomputing_in_the_backward_pass_is_refused(name, reentrant):
    estimator, noise = loaded(name), bnrun.Noise([0])
    leaf = LOGITS.clone().requires_grad_()
    # Those that differentiate downstream recompute it inside the forward pass already.
    with pytest.raises(RuntimeError, match=r"torch\.utils\.checkpoint"):
        checkpoint(
            lambda x: estimator(x, square, noise), leaf, use_reentrant=reentrant
        ).sum().backward()


@pytest.mark.parametrize("name", NAMES)
def test_a_second_derivative_exists_or_is_refused(name):
    leaf = LOGITS.clone().requires_grad_()
    loss = loaded(name)(leaf, square, bnrun.Noise([0]))
    (first,) = torch.autograd.grad(loss.sum(), leaf, create_graph=True)
    if name in DIFFERENTIABLE:
        (second,) = torch.autograd.grad(first.square().sum(), leaf)
        assert second.abs().sum() > 0
        return
    with pytest.raises(RuntimeError, match="gradient penalty"):
        torch.autograd.grad(first.square().sum(), leaf, retain_graph=True)
    with pytest.raises(RuntimeError, match="gradient penalty"):
        (loss.sum() + first.square().sum()).backward()


def test_a_mixture_with_a_part_that_has_no_second_derivative_is_refused():
    parts = [bnrun.load_estimator(name) for name in ("sigmoid_st", "st")]
    mixture = bnrun.load_estimator("mixture")
    mixture = dataclasses.replace(mixture, first=parts[0], second=parts[1])
    leaf = LOGITS.clone().requires_grad_()
    loss = mixture(leaf, square, bnrun.Noise([0])).sum()
    (first,) = torch.autograd.grad(loss, leaf, create_graph=True)
    with pytest.raises(RuntimeError, match="gradient penalty"):
        torch.autograd.grad(first.square().sum(), leaf)


@pytest.mark.parametrize("name", NAMES)
def test_torch_func_grad_is_autograds(name):
    estimator = loaded(name).frozen()
    found = torch.func.grad(lambda x: estimator(x, square, bnrun.Noise([0])).sum())(LOGITS)
    leaf = LOGITS.clone().requires_grad_()
    loss = loaded(name).frozen()(leaf, square, bnrun.Noise([0]))
    assert torch.allclose(found, torch.autograd.grad(loss.sum(), leaf)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_torch_func_vmap_draws_for_every_element(name):
    estimator = loaded(name).frozen()
    mapped = torch.zeros(5, 1, 6, 8)
    noise = bnrun.Noise([0])
    losses = torch.func.vmap(lambda x: estimator(x, square, noise))(mapped)
    assert losses.shape == (5, 1, 6)
    if name not in ("exact", "backprop"):
        assert len({tuple(row.flatten().tolist()) for row in losses}) == 5


@pytest.mark.parametrize("name", ["st", "sigmoid_st", "reinmax", "reinforce", "disarm", "muprop"])
def test_a_mapped_axis_is_a_sample_axis(name):
    mapped = torch.linspace(-2, 2, 240).view(5, 1, 6, 8)
    noise = bnrun.Noise([0])
    losses = torch.func.vmap(lambda x: loaded(name)(x, square, noise))(mapped)
    assert losses.allclose(loaded(name)(mapped, square, bnrun.Noise([0])), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_estimator_that_learns_is_refused_under_torch_func(name):
    estimator, noise = loaded(name), bnrun.Noise([0])
    estimator(LOGITS.clone().requires_grad_(), square, noise)
    if not estimator.state_dict() or name in ("mixture", "schedule"):
        return
    with pytest.raises(RuntimeError, match=r"frozen\(\)"):
        torch.func.grad(lambda x: estimator(x, square, noise).sum())(LOGITS)


def test_an_injected_gradient_is_one_that_is_refused_a_second_time():
    leaf = LOGITS.clone().requires_grad_()
    loss = inject(leaf.sum(-1) * 0, leaf, torch.ones_like(leaf))
    (first,) = torch.autograd.grad(loss.sum(), leaf, create_graph=True)
    with pytest.raises(RuntimeError, match="gradient penalty"):
        first.sum().backward()
