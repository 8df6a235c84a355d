"""The critic learns inside the gan task: how often, from which images, and nowhere else."""

from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from configured import built
from gans import SMALL, steps
from same import same

from bnrun.core.noise import Noise
from bnrun.tasks.gan.evaluation import pixels


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


def test_a_critic_has_gradients_only_while_it_learns():
    run = built(["task=gan", "model=generator_mlp", "task.judge_steps=1", "seeds=1"])
    critic = run.task.opponent.critic
    assert not any(weight.requires_grad for weight in critic.parameters())
    run.update(run.current_estimators())
    assert not any(weight.requires_grad for weight in critic.parameters())
