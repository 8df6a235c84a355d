"""A critic while it learns."""

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
    """One critic per replica, trained on real batches and noise streams of its replica's own.

    critic     with a replica axis; it takes part in no gradient but that of `learn`
    optimizer  of its parameters
    real       real pixels [N, U], on the device where they are wanted
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
        """So many updates, each on real images and on `generate(real, noise)`, both [R, B, U].

        shared  real images for all of them; None gives each its own
        """
        self.critic.requires_grad_(True)
        for _ in range(steps):
            real = self.batches.at(self.updates).inputs if shared is None else shared
            with torch.no_grad():
                fake = generate(real, self.noise)
            self.optimizer.zero_grad()
            loss = game.critic_loss(self.critic, real, fake, self.noise)
            # Replicas share no parameter, so that each one gets the gradient of its own loss.
            loss.backward(torch.ones_like(loss))
            self.optimizer.step()
            game.after_update(self.critic)
            self.updates += 1
        self.critic.requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """Everything that moves; the order of the real images is a function of `updates`."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return parts | {"updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.updates = state["updates"]


_PARTS = ("critic", "optimizer", "noise")
