"""The gan task: games, the critic that learns inside the task, replicas, resuming."""

from copy import deepcopy
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from configured import built
from same import same

from bnrun.core.network import Fired
from bnrun.core.neurons import DBN, SBN, Real
from bnrun.core.noise import Noise, stream
from bnrun.data.base import Data, Split
from bnrun.models.critic import CNNCritic, MLPCritic
from bnrun.models.generator import CNNGenerator, MLPGenerator
from bnrun.tasks.gan.evaluation import generated, pixels
from bnrun.tasks.gan.games import GAN, WGAN, WGANGP, gradient_penalty

SMALL = [
    *("task=gan", "model=generator_mlp", "optimizer=adam", "dtype=float64", "seeds=[3,7]"),
    *("model.hidden=[12]", "task.critic.hidden=[9,5]", "task.latent=6", "trainer.batch_size=8"),
    *("task.judge_steps=20", "task.images=60", "task.critic_steps=2", "task.many_steps=3"),
    *("task.first=2", "task.every=5"),
]


def normal(*shape, name="test"):
    return torch.from_numpy(stream(0, name).standard_normal(shape))


def steps(run, count):
    for _ in range(count):
        run.update(run.current_estimators())
    return run


def critic(seeds=(3, 7)):
    """A critic with weights so large that it is clearly non-linear."""
    net = MLPCritic(hidden=(6, 4), init="default").build((1, 2, 3), seeds)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3)
    return net


# The games.


def test_gan_losses_are_those_of_a_binary_classifier(double):
    net, real, fake = critic(), normal(2, 5, 6), normal(2, 5, 6, name="fake")
    actual = GAN().critic_loss(net, real, fake, Noise([3, 7]))
    for replica in range(2):
        says = torch.cat([net(real)[replica], net(fake)[replica]]).squeeze(-1)
        truth = torch.tensor([1.0] * 5 + [0.0] * 5)
        expected = 2 * F.binary_cross_entropy_with_logits(says, truth)
        torch.testing.assert_close(actual[replica], expected, rtol=1e-12, atol=0)
    says = normal(7)
    expected = F.binary_cross_entropy_with_logits(says, torch.ones(7), reduction="none")
    torch.testing.assert_close(GAN().generator_loss(says), expected, rtol=1e-12, atol=1e-12)


def test_wgan_minimises_the_difference_of_mean_ratings_with_clipped_weights(double):
    net, real, fake = critic(), normal(2, 5, 6), normal(2, 5, 6, name="fake")
    game = WGAN(clip=0.05)
    actual = game.critic_loss(net, real, fake, Noise([3, 7]))
    expected = net(fake).mean((1, 2)) - net(real).mean((1, 2))
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    game.after_update(net)
    assert max(p.abs().max().item() for p in net.parameters()) == 0.05


def test_gradient_penalty_is_that_of_finite_differences(double):
    net, images, step = critic(), normal(2, 4, 6), 1e-5
    slopes = torch.stack(
        [
            (net(images + step * unit) - net(images - step * unit)).squeeze(-1) / (2 * step)
            for unit in torch.eye(6)
        ],
        -1,
    )
    norms = slopes.norm(dim=-1)
    assert norms.min() > 0.1
    expected = (norms - 1).square().mean(-1)
    torch.testing.assert_close(gradient_penalty(net, images), expected, rtol=1e-6, atol=0)


def test_gradient_of_the_gradient_penalty_is_that_of_finite_differences(double):
    net, images, step = critic(), normal(2, 4, 6), 1e-6
    gradient_penalty(net, images).sum().backward()
    for name, parameter in net.named_parameters():
        actual = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for index in range(0, parameter.numel(), max(1, parameter.numel() // 7)):
            values = []
            for sign in (1, -1):
                moved = deepcopy(net)
                with torch.no_grad():
                    moved.get_parameter(name).view(-1)[index] += sign * step
                values.append(gradient_penalty(moved, images).sum())
            expected = (values[0] - values[1]) / (2 * step)
            torch.testing.assert_close(
                actual.reshape(-1)[index], expected.detach(), rtol=1e-6, atol=1e-8
            )


def test_penalty_is_taken_between_real_and_generated_images(double):
    """With a linear critic the loss is known, wherever between the images the penalty is taken."""
    recorded = []

    def linear(images):
        recorded.append(images.detach())
        return images.sum(-1, keepdim=True)

    real, fake = torch.ones(2, 50, 4), torch.zeros(2, 50, 4)
    actual = WGANGP(penalty=7.0).critic_loss(linear, real, fake, Noise([3, 7]))
    torch.testing.assert_close(actual, torch.full((2,), -4 + 7 * (2 - 1) ** 2.0), atol=1e-7, rtol=0)
    between = recorded[-1]
    assert torch.equal(between, between[..., :1].expand_as(between))  # one place per image
    assert between.min() < 0.1 < 0.9 < between.max()
    assert not torch.equal(between[0], between[1])


# The nets.


@pytest.mark.parametrize(
    ("generator", "critic", "millions"),
    [(MLPGenerator(), MLPCritic(), 1.47), (CNNGenerator(), CNNCritic(), 0.53)],
)
def test_nets_have_as_many_parameters_as_the_paper_says(generator, critic, millions):
    parts = generator.build((128,), 784, [0]), critic.build((1, 28, 28), [0])
    count = sum(parameter.numel() for part in parts for parameter in part.parameters())
    assert round(count / 1e6, 2) == millions
    logits = parts[0].stages[0](torch.zeros(1, 2, 128))
    assert logits.shape == (1, 2, 784)
    assert parts[1](logits).shape == (1, 2, 1)


@pytest.mark.parametrize("spec", [MLPGenerator(hidden=(5,)), CNNGenerator(channels=(4, 3, 2))])
def test_norm_acts_on_every_pre_activation_or_not_at_all(spec, double):
    latent = normal(2, 40, 6)
    actual = {}
    for norm in ("batch", "affine", "none"):
        net = type(spec)(**{**vars(spec), "norm": norm}).build((6,), 784, [3, 7])
        actual[norm] = net.stages[0](latent)
    # At the start the affine map is the identity; batch norm makes its output standard.
    assert torch.equal(actual["affine"], actual["none"])
    per = (1,) if isinstance(spec, MLPGenerator) else (1, 2)
    torch.testing.assert_close(
        actual["batch"].mean(per), torch.zeros_like(actual["batch"].mean(per))
    )
    assert (actual["batch"].var(per) > 0.5).all()
    assert (actual["none"].var(per) < 0.01).all()


def test_a_generator_of_another_size_is_refused():
    with pytest.raises(ValueError, match="28 x 28 pixels, but the dataset's have 64"):
        CNNGenerator().build((6,), 64, [0])
    with pytest.raises(ValueError, match="makes 2 layers, but kernels"):
        CNNGenerator(channels=(3,))
    with pytest.raises(ValueError, match="too many for images of 4 x 4"):
        CNNCritic().build((1, 4, 4), [0])


# The task.


@pytest.mark.parametrize("game", ["gan", "wgan", "wgan_gp"])
def test_replica_alone_equals_replica_among_others(game):
    together = steps(built([*SMALL, f"game@task.game={game}"]), 4)
    for replica, seed in enumerate([3, 7]):
        alone = steps(built([*SMALL, f"game@task.game={game}", f"seeds=[{seed}]"]), 4)
        for net, other in (
            (together.model, alone.model),
            (together.task.opponent.critic, alone.task.opponent.critic),
        ):
            for one, all_ in zip(other.parameters(), net.parameters(), strict=True):
                torch.testing.assert_close(all_[replica], one[0], rtol=1e-9, atol=1e-11)
        scores, solo = together.observed()["scalars"], alone.observed()["scalars"]
        for tag in ("precision/test/sampled", "share_at_0/test/mean_field"):
            torch.testing.assert_close(scores[tag][replica], solo[tag][0], rtol=0, atol=1e-9)


def test_convolutions_keep_replicas_apart(double):
    spec, seeds, images = CNNCritic(channels=(2, 3), dense=4), [3, 7], normal(2, 3, 64)
    together = WGANGP().critic_loss(spec.build((1, 8, 8), seeds), images, -images, Noise(seeds))
    for replica, seed in enumerate(seeds):
        own = images[replica : replica + 1]
        alone = WGANGP().critic_loss(spec.build((1, 8, 8), [seed]), own, -own, Noise([seed]))
        torch.testing.assert_close(together[replica], alone[0], rtol=1e-10, atol=0)


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(tmp_path):
    whole = steps(built(SMALL), 7)
    first = steps(built(SMALL), 3)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = built(SMALL)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    steps(second, 4)
    states = [run.state_dict() for run in (whole, second)]
    for state in states:
        del state["seconds"]
    assert same(*states)
    recorded = [run.observed()["scalars"] for run in (whole, second)]
    assert same(*recorded)


def test_a_missing_part_of_the_state_would_be_detected():
    """The test before this one can fail: each part of the state affects later steps."""
    for part in ("critic", "optimizer", "noise", "updates"):
        whole, second = steps(built(SMALL), 5), built(SMALL)
        state = steps(built(SMALL), 3).state_dict()
        state["parts"]["task"][part] = second.task.state_dict()[part]
        second.load_state_dict(state)
        steps(second, 2)
        assert not same(whole.task.state_dict()["critic"], second.task.state_dict()["critic"])


def test_the_critic_takes_the_configured_number_of_steps():
    run = built(SMALL)
    taken = [0]
    for _ in range(7):
        steps(run, 1)
        taken.append(run.task.opponent.updates)
    # 3 before the first two and before number 5, else 2.
    assert [after - before for before, after in pairwise(taken)] == [3, 3, 2, 2, 2, 3, 2]
    assert built([*SMALL, "task.every=0", "task.first=0"]).task.critic_steps_before(0) == 2


def test_the_generator_leaves_the_critic_alone():
    run = steps(built(SMALL), 2)
    before = deepcopy(run.task.opponent.critic.state_dict())
    batch = run.task.drawn(run.batches.at(2), run.task_noise)
    objective = run.network(run.current_estimators(), batch, run.noise)(batch.inputs)
    objective.sum().backward()
    assert same(before, run.task.opponent.critic.state_dict())
    assert all(not p.requires_grad for p in run.task.opponent.critic.parameters())
    assert all(p.grad.abs().sum() > 0 for p in run.model.parameters() if p.dim() > 1)


def test_the_critic_learns_from_images_as_the_neurons_fire(monkeypatch):
    """They are bits for a binary neuron, at its current slope, and probabilities for a real one."""
    for neuron, estimator in (("sbn", "sigmoid_st"), ("dbn", "sigmoid_st"), ("real", "backprop")):
        run = built([*SMALL, f"neuron={neuron}", f"estimator={estimator}"])
        recorded = []

        def learn(game, count, generate, shared, run=run, recorded=recorded):
            noise = Noise([3, 7], "test")
            real = run.data.train.targets[:1500].expand(2, -1, -1)
            recorded.append((real, generate(real, noise)))

        monkeypatch.setattr(run.task.opponent, "learn", learn)
        steps(run, 1)
        real, fake = recorded[0]
        assert fake.shape == real.shape
        assert set(real.unique().tolist()) == {0.0, 1.0}
        binary = bool(((fake == 0) | (fake == 1)).all())
        assert binary == (neuron != "real")


@pytest.mark.parametrize("same", [True, False])
def test_the_critic_shares_the_generators_batch_or_has_its_own(monkeypatch, same):
    run = built([*SMALL, "neuron=dbn", f"task.same_batch={str(same).lower()}"])
    recorded = []
    learnt = type(run.task.game).critic_loss

    def critic_loss(self, critic, real, fake, noise):
        recorded.append((real, fake))
        return learnt(self, critic, real, fake, noise)

    monkeypatch.setattr(type(run.task.game), "critic_loss", critic_loss)
    loss = type(run.task).loss

    def generator_loss(self, model, batch, fired):
        recorded.append((batch.targets, pixels(fired[-1]).detach()))
        return loss(self, model, batch, fired)

    monkeypatch.setattr(type(run.task), "loss", generator_loss)
    steps(run, 1)
    assert len(recorded) == 4  # three updates of the critic, one of the generator
    for (real, fake), (other, others) in pairwise(recorded):
        assert torch.equal(fake, others) == same
        assert torch.equal(real, other) == same
    steps(run, 1)
    assert not torch.equal(recorded[4][0], recorded[0][0])


def test_annealing_reaches_what_the_critic_sees():
    run = built([*SMALL, "estimator.growth=50", "estimator.per=step", "estimator.slope=1"])
    run.step = 1
    (estimator,) = run.current_estimators()
    assert estimator.firing_neuron.slope == pytest.approx(50)
    scores = run.observed()["scalars"]
    flat = built(SMALL).observed()["scalars"]
    tag = "share_at_0/validation/mean_field"
    assert scores[tag].min() > flat[tag].max()


def test_real_images_are_the_pixels_above_the_threshold():
    raw = built(["dtype=float64"]).data
    recorded = {flag: built([*SMALL, f"task.all_images={flag}"]).data for flag in ("true", "false")}
    expected = (raw.train.inputs > 0).double().flatten(1)
    assert torch.equal(recorded["false"].train.targets, expected)
    assert len(recorded["true"].train.targets) == 1797
    for name in ("validation", "test"):
        expected = (getattr(raw, name).inputs > 0).double().flatten(1)
        assert torch.equal(getattr(recorded["true"], name).targets, expected)
    higher = built([*SMALL, "task.threshold=0.5"]).data.validation.targets
    assert torch.equal(higher, (raw.validation.inputs > 0.5).double().flatten(1))


def test_a_real_generator_is_evaluated_by_hard_threshold_and_by_sampling():
    """At the same weights, its thresholded way is a DBN's and its sampled way an SBN's."""
    run = built([*SMALL, "neuron=real", "estimator=backprop", "task.images=150"])
    split, task = run.data.test, run.task
    scores = [
        task.evaluate(run.model, [neuron], split, Noise([3, 7]), 2)
        for neuron in (Real(), DBN(), SBN())
    ]
    for score, ways in scores[0].items():
        for way, values in ways.items():
            torch.testing.assert_close(values, scores[1][score][way], rtol=0, atol=0)
            torch.testing.assert_close(values, scores[2][score][way], rtol=0, atol=0)
    assert set(scores[0]["precision"]) == {"thresholded", "sampled", "mean_field"}
    assert set(scores[0]["isolated"]) == {"thresholded", "sampled"}
    noise = Noise([3, 7])
    latent = noise.normal(torch.empty(2, 150, 6))
    logits = run.model.stages[0](latent)
    images = dict(generated(run.model, [Real()], latent, noise))
    assert torch.equal(images["thresholded"], (logits > 0).double())
    assert torch.equal(images["mean_field"], torch.sigmoid(logits))
    p = torch.sigmoid(logits)
    z = (images["sampled"] - p).sum() / (p * (1 - p)).sum().sqrt()
    assert abs(z) < 4
    assert set(images["sampled"].unique().tolist()) == {0.0, 1.0}


def test_pixels_of_signed_neurons_are_bits_as_well():
    logits = normal(2, 3, 4)
    for neuron in (DBN(), DBN(signed=True)):
        actual = pixels(Fired(neuron, logits, neuron.thresholded(logits, Noise([3, 7]))))
        assert torch.equal(actual, (logits > 0).double())


def test_images_and_histograms_are_observed():
    run = built(SMALL)
    recorded = run.observed()
    assert recorded["scalars"]["judge/accuracy"].shape == (2,)
    assert recorded["images"]["samples/sampled"].shape == (60, 8, 8)
    assert recorded["images"]["sigmoid_outputs/histogram"].shape[::2] == (2, 256)
    assert recorded["histograms"]["sigmoid_outputs"].shape[0] == 2
    again = run.observed()["images"]["samples/thresholded"]
    assert torch.equal(again, recorded["images"]["samples/thresholded"])


def test_data_and_models_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="last binary layer as the image of 64 pixels"):
        built([*SMALL[:1], "model=mlp", "task.judge_steps=1"])
    task = built(SMALL).task
    split = Split(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="task=gan needs grey images with classes"):
        task.prepared(Data("flat", split, split, split, shape=(3,), classes=2))


def test_a_critic_has_gradients_only_while_it_learns():
    run = built(["task=gan", "model=generator_mlp", "task.judge_steps=1", "seeds=1"])
    critic = run.task.opponent.critic
    assert not any(weight.requires_grad for weight in critic.parameters())
    run.update(run.current_estimators())
    assert not any(weight.requires_grad for weight in critic.parameters())


def test_a_task_is_shown_by_its_settings_alone():
    task = built(["task=gan", "model=generator_mlp", "task.judge_steps=1", "seeds=1"]).task
    assert "judge_steps=1" in repr(task)
    assert "evaluation=" not in repr(task)
    assert "opponent=" not in repr(task)
