"""A call that breaks the contract is refused where the estimator is entered, whichever it is."""

import re
from contextlib import suppress

import pytest
import torch
from all_estimators import NAMES
from calls import LOGITS, WEIGHT, loaded, square
from hypothesis import given, settings
from hypothesis import strategies as st

import bnrun
from bnrun.core.neurons import BinaryNeuron

BINARY = [name for name in NAMES if name != "backprop"]


def gradient(name, downstream, logits=LOGITS, seeds=(0,)):
    leaf = logits.clone().requires_grad_()
    loss = loaded(name)(leaf, downstream, bnrun.Noise(seeds))
    return torch.autograd.grad(loss.sum(), leaf)[0]


# Unbiased, and made of a derivative of downstream all the same.
CONTROL_VARIATES = {"muprop", "double_cv", "rebar", "relax", "rodeo"}

# What a downstream may get wrong, with what the message must hold.
WRONG = {
    "[*S, R, B, 1], as a linear head gives it": (
        lambda b: square(b)[..., None],
        ValueError,
        "6, 1",
    ),
    "the batch's mean": (lambda b: square(b).mean(-1), ValueError, "one loss per example"),
    "one number": (lambda b: square(b).mean(), ValueError, "shape []"),
    "transposed": (lambda b: square(b).mT, ValueError, "one loss per example"),
    "an axis too many in front": (lambda b: square(b)[None], ValueError, "one loss per example"),
    "a loss per unit": (lambda b: b * WEIGHT, ValueError, "one loss per example"),
    "nothing": (lambda b: None, ValueError, "NoneType"),
    "a list": (lambda b: [0.0], ValueError, "list"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_downstream_is_refused_by_every_estimator(name, wrong):
    downstream, kind, words = WRONG[wrong]
    with pytest.raises(kind, match=re.escape(words)):
        gradient(name, downstream)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    replicas=st.integers(1, 3),
    examples=st.integers(1, 4),
    shape=st.lists(st.integers(1, 4), max_size=5),
)
def test_no_shape_but_the_right_one_passes(name, replicas, examples, shape):
    logits = torch.linspace(-1, 1, replicas * examples * 3).view(replicas, examples, 3)

    def downstream(activations):
        right = list(activations.shape[:-1])
        losses = activations.sum(-1)
        if shape == right:
            return losses
        return losses.sum() * torch.ones(shape)

    leaf = logits.clone().requires_grad_()
    estimator, noise, right = loaded(name), bnrun.Noise(range(replicas)), []

    def asked(activations):
        right.append(shape == list(activations.shape[:-1]))
        return downstream(activations)

    with suppress(ValueError) if shape else pytest.raises(ValueError, match="one loss per"):
        loss = estimator(leaf, asked, noise)
        assert loss.shape == (replicas, examples)
        assert all(right)
    assert right


@pytest.mark.parametrize("name", NAMES)
def test_activations_that_are_changed_in_place_are_refused(name):
    with pytest.raises((ValueError, RuntimeError)) as refused:
        gradient(name, lambda b: square(b.sub_(0.5)))
    notes = getattr(refused.value, "__notes__", [])
    message = " ".join([str(refused.value), *notes])
    assert "in place" in message or "single memory location" in message


@pytest.mark.parametrize("name", BINARY)
def test_losses_that_are_bools_or_integers_are_converted_or_refused_in_a_sentence(name):
    unaided = loaded(name).unbiased or name in ("node_perturbation", "vimco")
    needs_derivative = not unaided or name in CONTROL_VARIATES
    for count in (lambda b: b.sum(-1) > 4, lambda b: b.sum(-1).long()):
        if needs_derivative:
            with pytest.raises(ValueError, match="differentiable"):
                gradient(name, count)
        else:
            assert gradient(name, count).isfinite().all()


@pytest.mark.parametrize("name", ["reinforce", "rloo", "disarm", "arm", "arms", "exact"])
def test_a_loss_of_integers_has_the_gradient_of_the_same_loss_in_floats(name):
    same = gradient(name, lambda b: (2 * b[..., :3]).sum(-1))
    assert torch.equal(gradient(name, lambda b: (2 * b[..., :3]).sum(-1).long()), same)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_of_low_precision_are_refused(name, dtype):
    with pytest.raises(ValueError, match=r"logits\.float\(\)"):
        gradient(name, square, LOGITS.to(dtype))


@pytest.mark.parametrize("name", NAMES)
def test_logits_without_a_replica_axis_are_refused(name):
    with pytest.raises(ValueError, match="unsqueeze"):
        gradient(name, lambda b: b.sum(-1), LOGITS[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spoilt", ["an empty batch", "a loss of NaN", "an infinite loss"])
def test_one_bad_batch_spoils_no_later_estimate(name, spoilt):
    estimator, noise = loaded(name), bnrun.Noise([0, 1])
    logits = LOGITS.repeat(2, 1, 1)
    bad = {"a loss of NaN": torch.nan, "an infinite loss": torch.inf}.get(spoilt, 0.0)

    def broken(activations):
        losses = square(activations)
        factor = torch.ones_like(losses)
        factor[..., 0, :] = 1 + bad  # of the first replica alone
        return losses * factor

    for _ in range(2):
        given_logits = logits[:, :0] if spoilt == "an empty batch" else logits
        leaf = given_logits.clone().requires_grad_()
        estimator(leaf, broken, noise)
    leaf = logits.clone().requires_grad_()
    loss = estimator(leaf, square, noise)
    assert torch.autograd.grad(loss.sum(), leaf)[0].isfinite().all()
    for value in _tensors(estimator.state_dict()):
        assert value.isfinite().all()


def _tensors(state):
    for value in state.values():
        if isinstance(value, dict):
            yield from _tensors(value)
        else:
            yield value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            lambda self, x, f, n: f(self.neuron.encode(n.uniform(x))).mean(-1),
            "one loss per example",
        ),
        (lambda self, x, f, n: f(n.uniform(x)).detach(), "without a gradient"),
        (lambda self, x, f, n: f(x.sigmoid()).double(), "float64"),
        (lambda self, x, f, n: f(x.sigmoid()).tolist(), "list"),
    ],
    ids=["mean", "detached", "dtype", "list"],
)
def test_an_estimator_of_a_user_that_returns_something_else_is_named(body, words):
    own = bnrun.validated(type("Own", (bnrun.Estimator,), {"__call__": body}))
    estimator = own(neuron=bnrun.load_estimator("st").neuron)
    with pytest.raises(ValueError, match=f"Own.*{words}"):
        estimator(LOGITS.clone().requires_grad_(), square, bnrun.Noise([0]))


def test_a_neuron_of_a_user_is_served_where_the_mathematics_hold():
    @bnrun.validated
    class Noisy(BinaryNeuron):
        mode = "sampled"

        def probability(self, logits):
            return (logits + 1).clamp(0, 1) / 2

        def fire(self, logits, noise):
            return (noise.uniform(logits) < self.probability(logits)).to(logits.dtype)

    st = type(bnrun.load_estimator("st"))(neuron=Noisy())
    leaf = LOGITS.clone().requires_grad_()
    st(leaf, square, bnrun.Noise([0])).sum().backward()
    assert leaf.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="Noisy"):
        type(bnrun.load_estimator("disarm"))(neuron=Noisy())
