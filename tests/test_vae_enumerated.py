"""The vae's loss, gradients, bounds and samples, against enumeration of all bits."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from enumeration import load

from bnrun.core.chain import nest
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise, stream
from bnrun.data.base import Split
from bnrun.estimators.exact import Exact, patterns
from bnrun.measurement.gradients import bias_z, scale, variance
from bnrun.models.vae import VAE
from bnrun.tasks.tools.pixels import log_likelihood
from bnrun.tasks.vae import Vae, sampled_logits

SHAPE, PIXELS, SEEDS = (1, 2, 3), 6, [3, 7]
NETS = {
    "linear": VAE(latent=(4,)),
    "nonlinear": VAE(latent=(4,), hidden=(5,)),
    "fixed prior": VAE(latent=(4,), prior="fixed"),
    "two layers": VAE(latent=(3, 2), hidden=(4,)),
}


@pytest.fixture(params=NETS)
def net(request, double):
    """A net with weights so large that bits are nearly deterministic and the prior is not 1/2."""
    model = NETS[request.param].build(SHAPE, PIXELS, SEEDS)
    values = stream(0, "net")
    with torch.no_grad():
        for parameter in model.parameters():
            shift = torch.from_numpy(values.standard_normal(parameter.shape))
            parameter.mul_(2).add_(0.5 * shift)
    return model


def images(examples=5):
    return torch.from_numpy(stream(0, "x").integers(2, size=(2, examples, *SHAPE))).double()


def batch(examples=5):
    x = images(examples)
    return Split(x, torch.zeros(x.shape[:2]))


def log_p(bits, logits):
    """The log-probability by PyTorch's own distribution."""
    return torch.distributions.Bernoulli(logits=logits).log_prob(bits).sum(-1)


def all_bits(model):
    """Every pattern of all layers together, one tensor per layer, [P, 1, 1, U]."""
    whole = patterns(sum(model.units), torch.zeros(())).view(-1, 1, 1, sum(model.units))
    return whole.split(list(model.units), -1)


def joint(model, x, bits, encode=lambda b: b):
    """log p(x, b), written out."""
    below = [x.flatten(2), *bits]
    nets = [model.head, *model.between]
    log_probability = log_p(bits[-1], model.prior.expand(*bits[-1].shape[:-3], 2, 1, -1))
    for net, lower, upper in zip(nets, below, bits, strict=False):
        log_probability = log_probability + log_p(
            lower, net(encode(upper).expand(-1, 2, x.shape[1], -1))
        )
    return log_probability


def posterior(model, x, bits, slope=1.0, encode=lambda b: b, log_odds=lambda a: a):
    """log q(b | x), written out."""
    log_probability, inputs = 0, x
    for stage, layer in zip(model.stages, bits, strict=True):
        log_probability = log_probability + log_p(layer, log_odds(slope * stage(inputs)))
        inputs = encode(layer).expand(-1, 2, x.shape[1], -1)
    return log_probability


def negative_elbo(model, x, **law):
    """Sum over all patterns, [R, B], differentiable by autograd."""
    bits = all_bits(model)
    log_q = posterior(model, x, bits, **law)
    encode = law.get("encode", lambda b: b)
    return (log_q.exp() * (log_q - joint(model, x, bits, encode))).sum(0)


def trained_loss(model, estimator, data, noise):
    """Loss per example as in training, [R, B]."""
    loss = partial(Vae(binarization="none").loss, model, data)
    return nest(list(model.stages), [estimator] * len(model.stages), loss, noise)(data.inputs)


def gradients(loss, model):
    return torch.autograd.grad(loss.sum(), list(model.parameters()))


LAWS = {
    "plain": SBN(),
    "steep": SBN(slope=1.7),
    "signed": SBN(signed=True),
    "normal": SBN(noise="normal", slope=0.7),
    "uniform": SBN(noise="uniform", slope=0.04),
}
LOG_ODDS = {
    "normal": lambda a: torch.logit(torch.special.ndtr(a)),
    "uniform": lambda a: torch.logit(a + 0.5),  # The slope keeps all logits inside.
}


@pytest.mark.parametrize("law", LAWS)
def test_exact_loss_and_gradient_are_those_of_the_enumerated_elbo(net, law):
    neuron = LAWS[law]
    exact = Exact(neuron=neuron)
    log_odds = LOG_ODDS.get(law, lambda a: a)
    expected = negative_elbo(
        net, images(), slope=neuron.slope, encode=neuron.encode, log_odds=log_odds
    )
    actual = trained_loss(net, exact, batch(), Noise(SEEDS))
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
    for one, other in zip(gradients(actual, net), gradients(expected, net), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def gradient_draws(model, estimator, draws=50, copies=2000):
    """All weights' gradients for the images, means over copies, [D, P]; and the exact one, [P]."""
    estimator, noise, data = estimator.frozen(), Noise(SEEDS), batch(2)
    repeated = Split(*(part.repeat_interleave(copies, 1) for part in data))
    sampled = [
        flat(gradients(trained_loss(model, estimator, repeated, noise) / copies, model))
        for _ in range(draws)
    ]
    return torch.stack(sampled), flat(gradients(negative_elbo(model, data.inputs), model))


def flat(parts):
    return torch.cat([part.flatten() for part in parts])


UNBIASED = [
    *(load(name) for name in ("reinforce_moving_average", "disarm", "rloo", "muprop")),
    *(load(name) for name in ("rebar", "double_cv")),
    *(replace(load(name), nested=False) for name in ("arm", "disarm", "rloo", "arms")),
]


@pytest.mark.parametrize("estimator", UNBIASED, ids=str)
def test_unbiased_estimators_have_the_gradient_of_the_elbo(net, estimator):
    draws, exact = gradient_draws(net, estimator)
    assert abs(bias_z(draws, exact)) < 5
    # Only the encoder's gradient depends on the estimator.
    inferring = slice(0, sum(p.numel() for p in net.stages.parameters()))
    length = scale(draws[:, inferring], exact[inferring]).squeeze(-1)
    error = length.std() / len(draws) ** 0.5
    assert error < 0.0125  # so that 5 % are four of them
    assert abs(length.mean() - 1) < 4 * error


@pytest.mark.parametrize("name", ["st", "reinmax"])
def test_biased_estimators_miss_the_gradient_of_the_elbo(net, name):
    assert bias_z(*gradient_draws(net, load(name))) > 20


def test_the_derivative_of_log_q_that_is_left_out_has_mean_zero(double, monkeypatch):
    model = NETS["linear"].build(SHAPE, PIXELS, SEEDS)
    without, exact = gradient_draws(model, load("disarm"))
    parts = Vae._parts

    def with_score(self, model, batch, fired):
        distortion, rate = parts(self, model, batch, fired)
        (layer,) = fired
        score = log_likelihood(layer.activations, layer.logits)
        return distortion, rate + score - score.detach()

    monkeypatch.setattr(Vae, "_parts", with_score)
    with_it, _ = gradient_draws(model, load("disarm"))
    assert abs(bias_z(with_it, exact)) < 5
    assert not torch.equal(with_it, without)
    assert variance(with_it) > variance(without)


def test_bounds_fall_to_the_exact_marginal_likelihood(net):
    x = images(20)[:1].expand(2, -1, -1, -1, -1)
    exact = -joint(net, x, all_bits(net)).logsumexp(0).mean(-1)
    split = Split(x[0], torch.zeros(20))
    bounds = []
    for samples in (1, 4, 30, 12_000):
        noises = [Noise(SEEDS, "bound", number) for number in range(8)]
        values = [
            Vae(binarization="none").evaluate(net, [SBN()] * len(net.units), split, noise, samples)[
                "nll"
            ]["averaged"]
            for noise in noises
        ]
        bounds.append(torch.stack(values).mean(0))
    assert all((a > b).all() for a, b in pairwise(bounds))
    assert (bounds[-1] > exact - 0.01).all()
    torch.testing.assert_close(bounds[-1], exact, atol=0.02, rtol=0)
    elbo = negative_elbo(net, x).mean(-1)
    torch.testing.assert_close(bounds[0], elbo, rtol=0.05, atol=0)


NEURONS = {
    "plain": (SBN(), SBN()),
    "steep": (SBN(slope=4.0), SBN(slope=0.2)),  # The slope is the encoder's; the decoder has none.
    "lower signed": (SBN(signed=True), SBN()),
    "upper signed": (SBN(), SBN(signed=True, slope=4.0)),
}


@pytest.mark.parametrize("case", NEURONS)
def test_samples_from_the_prior_are_those_of_the_decoder(net, case):
    """Their mean equals the enumerated one."""
    neurons = NEURONS[case][: len(net.units)]
    bits = all_bits(net)
    weights = log_p(bits[-1], net.prior.expand(*bits[-1].shape[:-3], 2, 1, -1))
    pairs = zip(bits, bits[1:], net.between, neurons[1:], strict=False)
    for lower, upper, between, neuron in pairs:
        weights = weights + log_p(lower, between(neuron.encode(upper).expand(-1, 2, 1, -1)))
    pixels = torch.sigmoid(net.head(neurons[0].encode(bits[0]).expand(-1, 2, 1, -1)))
    expected = (weights.exp().unsqueeze(-1) * pixels).sum((0, 2))
    actual = torch.sigmoid(sampled_logits(net, neurons, 20_000, Noise(SEEDS)))
    error = actual.std(1) / 20_000**0.5
    assert ((actual.mean(1) - expected).abs() < 4.5 * error + 1e-12).all()
