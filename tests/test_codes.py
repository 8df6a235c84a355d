"""Terms and scores of codes, against enumeration of the codebook; maps of codewords, spheres."""

import itertools
import math
from functools import partial

import pytest
import torch
from all_estimators import PAIRINGS, SAMPLING, build_of
from configured import built

from bnrun.core.layers import FromPositions, Positions
from bnrun.core.neurons import DBN, SBN
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.models.autoencoder import BinaryAutoencoder
from bnrun.tasks.autoencoder import Reconstruction
from bnrun.tasks.tools import ways
from bnrun.tasks.tools.codes import batch_entropy, codewords, example_entropy

SEEDS = [3, 7]
TERMS = {"example_entropy": 0.3, "batch_entropy": 0.7, "temperature": 0.5}
MAP = ["task=autoencoder", "model=autoencoder", "model.kind=map"]


def codebook_distribution(log_odds):
    """Probability of every codeword, by enumeration, [..., L] -> [..., 2^L]."""
    ones = torch.sigmoid(log_odds)
    patterns = torch.tensor(list(itertools.product([0.0, 1.0], repeat=log_odds.shape[-1])))
    chosen = torch.where(patterns > 0, ones.unsqueeze(-2), 1 - ones.unsqueeze(-2))
    return chosen.prod(-1)


def some_log_odds(length, leading=()):
    generator = torch.Generator().manual_seed(1)
    return 2 * torch.randn(*leading, 2, 5, 3, length, generator=generator)


@pytest.mark.parametrize("leading", [(), (4,)])
def test_example_entropy_is_that_of_the_enumerated_codebook(leading, double):
    log_odds = some_log_odds(5, leading)
    expected = torch.special.entr(codebook_distribution(log_odds)).sum(-1).mean(-1)
    torch.testing.assert_close(example_entropy(log_odds), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("leading", [(), (4,)])
@pytest.mark.parametrize("subgroup", [1, 2, 3, 6])
def test_batch_entropy_is_that_of_the_enumerated_subgroups(subgroup, leading, double):
    log_odds = some_log_odds(6, leading)
    parts = log_odds.split(subgroup, -1)
    means = [codebook_distribution(part).mean((-3, -2)) for part in parts]
    expected = sum(torch.special.entr(mean).sum(-1) for mean in means)
    torch.testing.assert_close(batch_entropy(log_odds, subgroup), expected, rtol=0, atol=1e-12)


def test_batch_entropy_with_smaller_subgroups_is_an_upper_bound(double):
    log_odds = some_log_odds(6)
    entropies = [batch_entropy(log_odds, subgroup) for subgroup in (6, 3, 1)]
    assert (entropies[0] < entropies[1]).all()
    assert (entropies[1] < entropies[2]).all()
    assert (entropies[2] < 6 * math.log(2)).all()


@pytest.mark.parametrize("size", [0.0, 30.0, 1e4])
def test_entropies_and_their_gradients_are_finite_for_certain_bits(size):
    log_odds = (size * torch.ones(1, 3, 2, 8)).requires_grad_()
    entropies = example_entropy(log_odds).sum() + batch_entropy(log_odds, 8).sum()
    assert entropies.item() == pytest.approx(0 if size else 4 * 8 * math.log(2), abs=1e-4)
    (gradient,) = torch.autograd.grad(entropies, log_odds)
    assert gradient.isfinite().all()


def case(spherical=False, width=2):
    """A net with a code of 6 bits, two codewords of 3, and a batch."""
    net = BinaryAutoencoder(code=3, width=width, kind="map", spherical=spherical).build(
        (1, 8, 4), 32, SEEDS
    )
    inputs = torch.rand(2, 5, 1, 8, 4, generator=torch.Generator().manual_seed(0))
    return net, Split(inputs, torch.zeros(2, 5))


def trained(net, batch, task, estimator):
    """Losses [R, B] and the gradient of every parameter, of the sum of the replicas' means."""
    net.zero_grad()
    loss = partial(task.loss, net, batch)
    losses = net.losses(batch.inputs, [estimator], loss, Noise(SEEDS))
    losses.mean(-1).sum().backward()
    return losses.detach(), [parameter.grad for parameter in net.parameters()]


@pytest.mark.parametrize(("name", "neuron"), PAIRINGS)
def test_entropies_add_their_gradient_to_that_of_every_estimator(name, neuron, double):
    task = Reconstruction(**TERMS, subgroup=3)
    net, batch = case()
    losses, plain = trained(net, batch, Reconstruction(), build_of(name)(neuron()))
    same, total = trained(net, batch, task, build_of(name)(neuron()))
    torch.testing.assert_close(same, losses, rtol=0, atol=1e-12)
    fired = net.passes(batch.inputs)([neuron()], [neuron().thresholded], Noise(SEEDS))
    terms = task.terms(net, fired).mean(-1).sum()
    alone = torch.autograd.grad(terms, list(net.parameters()), materialize_grads=True)
    assert max(gradient.abs().max() for gradient in alone) > 1e-3
    for one, two, term in zip(plain, total, alone, strict=True):
        torch.testing.assert_close(two - one, term, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SAMPLING)
def test_commitment_draws_logits_to_the_bits_that_the_estimator_evaluates(name, double):
    # Every evaluation at bits -1 or 1 has the gradient 2 (z - bits) / U / B at the logits: its mean
    # is between those of both bits.
    net, batch = case()
    bare, task = Reconstruction(), Reconstruction(commitment=1.0)
    logits = []
    for each in (bare, task):
        held = []
        loss = partial(each.loss, net, batch)
        losses = net.losses(
            batch.inputs,
            [build_of(name)(SBN())],
            loss,
            Noise(SEEDS),
            lambda use, replicas, z, held=held: held.append(z) or z,
        )
        logits.append((held[0], *torch.autograd.grad(losses.sum(), held[0])))
    (z, plain), (_, total) = logits
    drawn = z.detach() - (total - plain) * z.shape[-1] / 2
    assert (drawn.abs() < 1 + 1e-9).all()
    if name in ("st", "sigmoid_st", "reinmax", "reinforce"):  # which evaluate once, at bits
        torch.testing.assert_close(drawn.abs(), torch.ones_like(drawn), rtol=0, atol=1e-9)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("spherical", [False, True])
def test_commitment_is_the_squared_distance_by_hand(spherical, signed, double):
    net, batch = case(spherical)
    neuron = SBN(signed=signed)
    fired = net.passes(batch.inputs)([neuron], [neuron.sampled], Noise(SEEDS), 4)
    signs = torch.where(fired[0].activations > 0, 1.0, -1.0)
    corners = signs / math.sqrt(3) if spherical else signs
    expected = 0.2 * (fired[0].logits - corners).pow(2).mean(-1)
    terms = Reconstruction(commitment=0.2).terms(net, fired)
    torch.testing.assert_close(terms, expected, rtol=0, atol=1e-12)


def test_the_probability_of_the_entropies_is_the_neurons_own_at_temperature_1(double):
    net, batch = case()
    neuron = SBN(slope=3.0, noise="normal")
    fired = net.passes(batch.inputs)([neuron], [neuron.sampled], Noise(SEEDS))
    p = neuron.probability(fired[0].logits)
    expected = (torch.special.entr(p) + torch.special.entr(1 - p)).sum(-1) / 2  # two codewords
    terms = Reconstruction(example_entropy=1.0).terms(net, fired)
    torch.testing.assert_close(terms, expected, rtol=0, atol=1e-9)


def test_codewords_are_numbered_and_counted_by_hand(double):
    bits = torch.tensor([[[1, 0, 0, 1], [1, 1, 0, 0]]]) > 0
    assert codewords(bits, 2).tolist() == [[1, 2, 3, 0]]
    assert codewords(bits, 4).tolist() == [[9, 3]]


def test_the_used_share_of_the_codebook_is_that_of_distinct_codewords(monkeypatch):
    run = built([*MAP, "model.code=4", "model.width=3", "seeds=[3,7]"])
    split = run.data.validation.spread(50)
    neurons = [DBN()]
    whole = run.task.evaluate(run.model, neurons, split, Noise(run.seeds), 2)["codebook_used"]
    inputs = split.inputs.expand(2, -1, -1, -1, -1)
    fired = run.model.passes(inputs)(neurons, [neurons[0].thresholded], Noise(run.seeds))
    words = [{tuple(w) for w in r.view(-1, 4).tolist()} for r in fired[0].activations]
    assert whole["thresholded"].tolist() == [len(distinct) / 16 for distinct in words]
    assert whole["sampled"].tolist() == [1, 1]  # 200 codewords of nearly even bits
    monkeypatch.setattr(ways, "CHUNK", 2 * 2 * 64 * 7)
    parts = run.task.evaluate(run.model, neurons, split, Noise(run.seeds), 2)["codebook_used"]
    assert parts["thresholded"].equal(whole["thresholded"])


@pytest.mark.parametrize("code", [16, 17])
def test_codewords_of_more_than_16_bits_are_not_counted(code):
    run = built(["task=autoencoder", "model=autoencoder", f"model.code={code}", "seeds=1"])
    split = run.data.validation.spread(5)
    scores = run.task.evaluate(run.model, [SBN()], split, Noise([0]), 2)
    assert ("codebook_used" in scores) == (code == 16)


def test_the_bits_of_a_position_are_side_by_side():
    maps = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    flat = Positions()(maps)
    assert flat[1, :6].tolist() == [60, 80, 100, 61, 81, 101]
    assert FromPositions((4, 5))(flat).equal(maps)


def test_logits_of_a_spherical_code_have_norm_1_and_the_decoder_sees_its_corners(double):
    (net, batch), (plain, _) = case(spherical=True, width=3), case(width=3)
    neuron = SBN(signed=True)
    fired = net.passes(batch.inputs)([neuron], [neuron.sampled], Noise(SEEDS))
    norms = fired[0].logits.unflatten(-1, (2, 3)).norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=1e-12)
    corners = fired[0].activations / math.sqrt(3)
    expected = plain.head(corners)
    torch.testing.assert_close(net.outputs(batch.inputs, fired), expected, rtol=0, atol=1e-12)


def test_subgroups_have_16_bits_at_most():
    assert Reconstruction(subgroup=16).subgroup == 16
    with pytest.raises(ValueError, match="less than or equal to 16"):
        Reconstruction(subgroup=17)


def test_subgroups_must_divide_a_codeword(command):
    words = [*MAP, "model.code=6", "task.batch_entropy=0.1", "task.subgroup=4", "trainer.steps=1"]
    status, _, err = command(*words)
    assert status
    assert "task.subgroup=4 must divide the bits of a codeword, which has 6" in err
    assert "Traceback" not in err


def test_a_map_of_codewords_trains_each_replica_as_it_would_alone(double):
    words = [*MAP, "model.code=3", "model.width=2", "dtype=float64", "optimizer=adam"]
    words += ["task.example_entropy=0.1", "task.batch_entropy=0.1", "task.subgroup=3"]
    words += ["task.commitment=0.1", "trainer.steps=5", "trainer.batch_size=10"]
    together, alone = built([*words, "seeds=[3,7]"]), built([*words, "seeds=[7]"])
    for run in (together, alone):
        list(run.run())
    for both, one in zip(together.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(both[1], one[0], rtol=0, atol=1e-9)


def test_the_terms_make_bits_certain_and_use_more_of_the_codebook():
    words = [*MAP, "model.code=8", "model.width=4", "neuron=dbn", "optimizer=adam", "seeds=2"]
    words += ["optimizer.lr=3e-3", "trainer.steps=150", "trainer.evaluate_every=1e9"]
    words += ["task.temperature=0.1"]
    used = []
    for weight in (0.0, 0.02):
        run = built([*words, f"task.batch_entropy={weight}", f"task.example_entropy={weight}"])
        used.append(list(run.run())[-1].scalars["codebook_used/test/thresholded"])
    assert (used[1] > 1.5 * used[0]).all(), used
