"""Small trainings with task=gan, and inputs for its nets."""

import torch

from bnrun.core.noise import stream

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
