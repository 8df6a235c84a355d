"""The games of generative adversarial nets: what the critic and the generator minimise."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.noise import Noise

Critic = Callable[[Tensor], Tensor]
"""A critic: pixels [R, B, U] -> one number each, [R, B, 1], larger for what looks real."""


@validated
class Game(ABC):
    """Two losses. Replicas share nothing, and no loss mixes them."""

    @abstractmethod
    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        """What the critic minimises on real and generated pixels, both [R, B, U]; [R]."""

    @abstractmethod
    def generator_loss(self, verdicts: Tensor) -> Tensor:
        """What the generator minimises for each verdict on its images; any shape."""

    def after_update(self, critic: nn.Module) -> None:  # noqa: B027  # optional
        """What holds for the critic's weights at all times."""


@validated
class GAN(Game):
    """The original game, non-saturating: the critic's verdict is the logit of "real".

    critic     log(1 + exp(-real)) + log(1 + exp(fake))
    generator  log(1 + exp(-fake))

    Source: Goodfellow et al., Generative Adversarial Networks (2014), arXiv 1406.2661.
    """

    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        on_real, on_fake = verdicts(critic, real, fake)
        return (F.softplus(-on_real) + F.softplus(on_fake)).mean((-1, -2))

    def generator_loss(self, verdicts: Tensor) -> Tensor:
        return F.softplus(-verdicts)


@validated
class WGAN(Game):
    """Wasserstein distance, by a critic whose weights are clipped.

    critic     fake - real, with weights in [-clip, clip]
    generator  -fake

    Source: Arjovsky, Chintala, Bottou, Wasserstein GAN (2017), arXiv 1701.07875.
    """

    clip: PositiveFloat = 0.01

    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        return wasserstein(critic, real, fake)

    def generator_loss(self, verdicts: Tensor) -> Tensor:
        return -verdicts

    @torch.no_grad()
    def after_update(self, critic: nn.Module) -> None:
        for parameter in critic.parameters():
            parameter.clamp_(-self.clip, self.clip)


@validated
class WGANGP(Game):
    """Wasserstein distance, by a critic whose slope is drawn towards 1.

    critic     fake - real + penalty (|d critic / d image| - 1)^2, on the lines from fake to real
    generator  -fake

    Source: Gulrajani et al., Improved Training of Wasserstein GANs (2017), arXiv 1704.00028.
    """

    penalty: PositiveFloat = 10.0

    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        # One number per image says where on its line.
        between = torch.lerp(fake, real, noise.uniform(real[..., :1]))
        return wasserstein(critic, real, fake) + self.penalty * gradient_penalty(critic, between)

    def generator_loss(self, verdicts: Tensor) -> Tensor:
        return -verdicts


def verdicts(critic: Critic, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Verdicts on both, from one pass of all images; no layer of a critic mixes examples."""
    both = critic(torch.cat([real, fake], -2))
    return both[..., : real.shape[-2], :], both[..., real.shape[-2] :, :]


def wasserstein(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """Mean verdict on generated images less that on real ones, [R, B, U] both, [R]."""
    on_real, on_fake = verdicts(critic, real, fake)
    return (on_fake - on_real).mean((-1, -2))


def gradient_penalty(critic: Critic, images: Tensor) -> Tensor:
    """Mean squared distance from 1 of the norm of d verdict / d image, at [R, B, U], [R].

    Its own gradient by the critic's weights is taken through the norm.
    """
    images = images.detach().requires_grad_()
    # An image meets its own verdict only, so that the gradient of the sum has all of them.
    (slopes,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    # The root of 0 has no derivative; 1e-8 is the authors'.
    norms = (slopes.square().sum(-1) + 1e-8).sqrt()
    return (norms - 1).square().mean(-1)
