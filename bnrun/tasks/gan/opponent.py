"""A critic and everything that trains it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.data.batches import Batches
from bnrun.tasks.gan.games import Game


class Opponent:
    """One critic per replica; each has its own batches of real images and its own noise.

    critic      net with a replica axis; its parameters require gradients only in `learn`
    optimizer   of its parameters
    real        real pixels [N, U], on the device of the critic
    seeds       one per replica
    batch_size  real images per update and replica
    """

    def __init__(
        self,
        critic: nn.Module,
        optimizer: Optimizer,
        real: Tensor,
        seeds: Sequence[int],
        batch_size: int,
    ) -> None:
        self.critic = critic.requires_grad_(False)
        self.optimizer = optimizer
        self.batches = Batches(Split(real, real.new_zeros(len(real))), seeds, batch_size)
        self.noise = Noise(seeds, "critic")
        self.updates = 0

    def learn(
        self,
        game: Game,
        steps: int,
        generate: Callable[[Tensor, Noise], Tensor],
        shared: Tensor | None = None,
    ) -> None:
        """Update the critic `steps` times, on real images and `generate(real, noise)`, [R, B, U].

        shared  real images for all of these updates; None for a new batch in each
        """
        self.critic.requires_grad_(True)
        for _ in range(steps):
            real = self.batches.at(self.updates).inputs if shared is None else shared
            with torch.no_grad():
                fake = generate(real, self.noise)
            self.optimizer.zero_grad()
            loss = game.critic_loss(self.critic, real, fake, self.noise)
            # Replicas share no parameters, so each one gets the gradient of its own loss.
            loss.backward(torch.ones_like(loss))
            self.optimizer.step()
            game.after_update(self.critic)
            self.updates += 1
        self.critic.requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """Return all state; the order of the real images is a function of `updates`."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return parts | {"updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.updates = state["updates"]


_PARTS = ("critic", "optimizer", "noise")
