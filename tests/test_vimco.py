"""VIMCO and the bound of K samples, against enumeration of all K patterns together."""

import math
from functools import partial

import pytest
import torch
from configured import built
from enumeration import GivenNoise, probabilities
from quadrature import wavy
from torch import Tensor, nn

import bnrun
from bnrun.core.chain import nest
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise, stream
from bnrun.data.base import Split
from bnrun.estimators.exact import patterns
from bnrun.estimators.mixture import Mixture
from bnrun.estimators.rloo import RLOO
from bnrun.estimators.vimco import VIMCO, bound_of, bounds_without
from bnrun.models.vae import VAE
from bnrun.tasks.vae import Vae

LOGITS = torch.tensor([0.4, -1.3], dtype=torch.float64)
WEIGHTS = torch.tensor([0.8, -0.6], dtype=torch.float64)
NEURONS = [SBN(), SBN(signed=True, slope=1.3), SBN(noise="normal")]


def all_samples(samples: int, units: int) -> Tensor:
    """Every pattern of all samples together, [K, D, 1, 1, U]."""
    whole = patterns(samples * units, LOGITS).view(-1, samples, 1, 1, units)
    return whole.movedim(1, 0)


def loss_of(activations: Tensor, logits: Tensor, weights: Tensor) -> Tensor:
    """A loss that depends on the logits directly too, as -log w does through log q."""
    return wavy(activations, weights) / 2 + 0.3 * (activations * logits).sum(-1)


def exact_bound(neuron: SBN, samples: int, logits: Tensor, weights: Tensor) -> Tensor:
    bits = all_samples(samples, len(logits))
    chance = probabilities(neuron, logits, bits).prod(0)
    losses = loss_of(neuron.encode(bits), logits, weights)
    return (chance * (math.log(samples) - torch.logsumexp(-losses, 0))).sum()


def mean_of(estimator, samples: int, logits: Tensor, weights: Tensor) -> Tensor:
    """The estimator's loss over all draws, weighted; its gradient is the mean estimate."""
    bits = all_samples(samples, len(logits))
    chance = probabilities(estimator.neuron, logits.detach(), bits).prod(0)
    rows = logits.expand(bits.shape[1:])
    loss = estimator(rows, lambda b: loss_of(b, rows, weights), GivenNoise(1 - bits))
    return (chance * loss).sum()


def gradients(function) -> tuple[Tensor, ...]:
    leaves = [part.clone().requires_grad_() for part in (LOGITS, WEIGHTS)]
    value = function(*leaves)
    return (value.detach(), *torch.autograd.grad(value, leaves))


@pytest.mark.parametrize("samples", [2, 3, 4])
@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_vimco_is_exact_for_the_bound_of_all_patterns_of_k_samples(neuron, samples):
    expected = gradients(partial(exact_bound, neuron, samples))
    ours = gradients(partial(mean_of, VIMCO(neuron, samples=samples), samples))
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("wrong", ["peeks", "mean loss", "no direct term", "K for 1"])
def test_a_broken_copy_is_not_exact_for_the_bound(wrong):
    samples, neuron = 3, SBN()

    class Broken(VIMCO):
        def __call__(self, logits, downstream, noise):
            bits = (
                noise.uniform(logits.expand(samples, *logits.shape)) < logits.sigmoid()
            ).double()
            losses = downstream(bits)
            bound = bound_of(losses)
            baseline = bounds_without(losses.detach())
            if wrong == "peeks":
                baseline = 0.5 * baseline + 0.5 * losses.detach()
            if wrong == "mean loss":
                bound = losses.mean(0)
            value = bound.detach() + 0 * losses.sum(0) if wrong == "no direct term" else bound
            signal = (bound.detach() - baseline).unsqueeze(-1) * (bits - logits.detach().sigmoid())
            factor = samples if wrong == "K for 1" else 1
            injected = factor * (signal.detach() * logits).sum((0, -1))
            return value + injected - injected.detach()

    expected = gradients(partial(exact_bound, neuron, samples))
    ours = gradients(partial(mean_of, Broken(neuron, samples=samples), samples))
    assert (ours[1] - expected[1]).norm() > 0.05 * expected[1].norm()


def test_bound_without_a_sample_has_the_geometric_mean_of_the_others_in_its_place():
    losses = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    weights = torch.exp(-losses)
    for k, ours in enumerate(bounds_without(losses)):
        rest = [j for j in range(3) if j != k]
        replaced = (weights[rest].sum() + weights[rest].log().mean().exp()) / 3
        assert ours == pytest.approx(-replaced.log().item(), rel=1e-12)
    assert bound_of(losses) == pytest.approx(-weights.mean().log().item(), rel=1e-12)


def test_the_bound_tightens_with_the_samples():
    values = [float(exact_bound(SBN(), samples, LOGITS, WEIGHTS)) for samples in (1, 2, 3, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 0.01


# The task.

SEEDS = [3, 7]


def small_vae():
    torch.set_default_dtype(torch.float64)
    model = VAE(latent=(3,), hidden=(4,)).build((1, 2, 2), 4, SEEDS)
    values = stream(0, "net")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2).add_(torch.from_numpy(0.5 * values.standard_normal(parameter.shape)))
    images = torch.from_numpy(stream(0, "x").integers(2, size=(2, 3, 1, 2, 2))).double()
    return model, Split(images, torch.zeros(2, 3))


def log_p(bits: Tensor, logits: Tensor) -> Tensor:
    return torch.distributions.Bernoulli(logits=logits).log_prob(bits).sum(-1)


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_task_with_iwae_has_the_gradient_of_the_exact_bound(neuron):
    model, batch = small_vae()
    samples = 2
    bits = all_samples(samples, 3)  # [K, D, 1, 1, U]
    parameters = list(model.parameters())

    logits = model.stages[0](batch.inputs)
    p = neuron.probability(logits)
    log_q = torch.where(bits > 0, p, 1 - p).log().sum(-1)  # [K, D, R, B]
    pixels = model.head(neuron.encode(bits).expand(-1, -1, 2, 3, -1))
    log_joint = log_p(batch.inputs.flatten(2), pixels) + log_p(
        bits.expand(-1, -1, 2, 3, -1), model.prior
    )
    log_w = log_joint - log_q
    bound = math.log(samples) - log_w.logsumexp(0)
    expected = (log_q.sum(0).exp() * bound).sum(0)  # [R, B]
    truth = torch.autograd.grad(expected.sum(), parameters, retain_graph=True)

    task = Vae(binarization="none", objective="iwae", samples=samples)
    estimator = VIMCO(neuron, samples=samples)
    draws = bits.shape[1]
    rows = batch.inputs.expand(draws, *batch.inputs.shape)
    noise = GivenNoise((1 - bits).expand(-1, -1, 2, 3, -1))
    loss = nest(list(model.stages), [estimator], partial(task.loss, model, batch), noise)(rows)
    ours = (log_q.sum(0).exp().detach() * loss).sum(0)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)
    for one, other in zip(torch.autograd.grad(ours.sum(), parameters), truth, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


IWAE = ["task=vae", "model=vae", "model.latent=[5]", "task.objective=iwae", "trainer.steps=2"]


def test_k_is_the_tasks_and_evaluation_gives_its_bound():
    run = built([*IWAE, "estimator=vimco", "task.samples=3", "seeds=[3,7]"])
    (estimator,) = run.current_estimators()
    assert (estimator.bound, run.task.bound) == (3, 3)
    run.rehearse()
    scores = run.task.evaluate(run.model, [SBN()], run.data.test, Noise([3, 7]), 200)
    assert set(scores["bound"]) == {"averaged"}
    many, few = scores["nll"]["averaged"], scores["nll"]["sampled"]
    assert (many < scores["bound"]["averaged"]).all()
    assert (scores["bound"]["averaged"] < few).all()
    elbo = built(["task=vae", "model=vae", "model.latent=[5]", "trainer.steps=1", "seeds=1"])
    assert "bound" not in elbo.task.evaluate(elbo.model, [SBN()], elbo.data.test, Noise([0]), 2)


def test_training_with_vimco_lowers_the_bound():
    words = ["estimator=vimco", "seeds=[3,7]", "optimizer=adam", "optimizer.lr=0.01"]
    run = built([*IWAE, *words])

    def bound() -> Tensor:
        neurons = [estimator.evaluation_neuron for estimator in run.current_estimators()]
        test, noise = run.data.test, Noise([3, 7])
        return run.task.evaluate(run.model, neurons, test, noise, 5)["bound"]["averaged"]

    before = bound()
    for _ in range(60):
        run.update(run.current_estimators())
    assert (bound() < before - 5).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["estimator=vimco"],
            r"which this task does not have: choose task=vae task\.objective=iwae",
        ),
        (
            ["estimator=vimco", "task=vae", "model=vae"],
            r"which this task does not have: choose task=vae task\.objective=iwae",
        ),
        ([*IWAE, "estimator=rloo"], r"choose estimator=vimco, or task\.objective=elbo"),
        ([*IWAE, "estimator=st"], r"choose estimator=vimco, or task\.objective=elbo"),
        ([*IWAE, "estimator=vimco", "estimator.samples=7"], r"leave out estimator\.samples"),
        (
            [*IWAE, "estimator=vimco", "model.latent=[5,4]"],
            "needs a model with one binary layer, used once, but this one uses 2",
        ),
        (
            [*IWAE, "estimator=vimco", "gradients.every=1"],
            r"vimco minimises a bound of several samples: choose gradients\.every=null",
        ),
        (
            ["gradients.every=1", "gradients.estimators=[vimco]"],
            r"leave it out of gradients\.estimators",
        ),
    ],
)
def test_other_objectives_are_refused_in_a_sentence(words, message):
    with pytest.raises(ValueError, match=message):
        built([*words, "seeds=1"]).rehearse()


def test_a_mixture_with_another_objective_is_refused():
    with pytest.raises(ValueError, match="have different objectives"):
        Mixture(SBN(), VIMCO(SBN()), RLOO(SBN()))
    assert Mixture(SBN(), VIMCO(SBN()), VIMCO(SBN())).bound == 5


def test_one_site_is_served_and_several_are_refused():
    x = torch.randn(5, 4)
    net = nn.Sequential(nn.Linear(4, 3), bnrun.Binary("vimco"), nn.Linear(3, 1))
    bnrun.estimate(net, x, lambda out: out.square().sum(-1)).mean().backward()
    assert net[0].weight.grad.abs().sum() > 0
    for second in ("vimco", "disarm"):
        deep = nn.Sequential(*net[:2], nn.Linear(3, 3), bnrun.Binary(second), nn.Linear(3, 1))
        with pytest.raises(ValueError, match=r"one bnrun\.Binary layer that is used once"):
            bnrun.estimate(deep, x, lambda out: out.square().sum(-1))
