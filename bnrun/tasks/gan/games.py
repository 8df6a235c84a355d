"""The games of generative adversarial nets: the losses of critic and generator."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.noise import Noise

CriticNet = Callable[[Tensor], Tensor]
"""Pixels [R, B, U] -> one rating per image, [R, B, 1], larger for images that look real."""


@validated
class Game(ABC):
    """The two losses, chosen by `game@task.game=`. No loss may mix replicas.

    A subclass must define `critic_loss` and `generator_loss`.
    """

    @abstractmethod
    def critic_loss(self, critic: CriticNet, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        """Return what the critic minimises on real and generated pixels [R, B, U]; [R]."""

    @abstractmethod
    def generator_loss(self, ratings: Tensor) -> Tensor:
        """Return what the generator minimises for each rating of its images, in any shape."""

    def after_update(self, critic: nn.Module) -> None:  # noqa: B027  # optional
        """Called after each update of the critic, to enforce constraints on its weights."""


@validated
class GAN(Game):
    """The original game, non-saturating: the critic's rating is the logit of "real".

    critic     log(1 + exp(-real)) + log(1 + exp(fake))
    generator  log(1 + exp(-fake))

    Source: Goodfellow et al., Generative Adversarial Networks (2014), arXiv 1406.2661.
    """

    def critic_loss(self, critic: CriticNet, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        on_real, on_fake = ratings_of(critic, real, fake)
        return (F.softplus(-on_real) + F.softplus(on_fake)).mean((-1, -2))

    def generator_loss(self, ratings: Tensor) -> Tensor:
        return F.softplus(-ratings)


@validated
class WGAN(Game):
    """Wasserstein distance, with a critic whose weights are clipped.

    critic     fake - real, with weights in [-clip, clip]
    generator  -fake

    Source: Arjovsky, Chintala, Bottou, Wasserstein GAN (2017), arXiv 1701.07875.
    """

    clip: PositiveFloat = 0.01

    def critic_loss(self, critic: CriticNet, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        return wasserstein(critic, real, fake)

    def generator_loss(self, ratings: Tensor) -> Tensor:
        return -ratings

    @torch.no_grad()
    def after_update(self, critic: nn.Module) -> None:
        for parameter in critic.parameters():
            parameter.clamp_(-self.clip, self.clip)


@validated
class WGANGP(Game):
    """Wasserstein distance, with a penalty that keeps the critic's gradient norm near 1.

    critic     fake - real + penalty (|d critic / d image| - 1)^2, on the lines from fake to real
    generator  -fake

    Source: Gulrajani et al., Improved Training of Wasserstein GANs (2017), arXiv 1704.00028.
    """

    penalty: PositiveFloat = 10.0

    def critic_loss(self, critic: CriticNet, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        # One uniform number per image chooses the place on its line.
        between = torch.lerp(fake, real, noise.uniform(real[..., :1]))
        return wasserstein(critic, real, fake) + self.penalty * gradient_penalty(critic, between)

    def generator_loss(self, ratings: Tensor) -> Tensor:
        return -ratings


def ratings_of(critic: CriticNet, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ratings of real and of generated images [R, B, U], from one pass of both."""
    # No layer of a critic mixes examples.
    both = critic(torch.cat([real, fake], -2))
    return both[..., : real.shape[-2], :], both[..., real.shape[-2] :, :]


def wasserstein(critic: CriticNet, real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean rating of generated minus that of real images, [R, B, U] each; [R]."""
    on_real, on_fake = ratings_of(critic, real, fake)
    return (on_fake - on_real).mean((-1, -2))


def gradient_penalty(critic: CriticNet, images: Tensor) -> Tensor:
    """Return the mean of (|d rating / d image| - 1)^2 at images [R, B, U], per replica [R].

    It can be differentiated with respect to the critic's weights.
    """
    images = images.detach().requires_grad_()
    # A rating depends on its own image only, so the gradient of the sum holds all gradients.
    (gradients,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    # The root has no derivative at 0; 1e-8 is from the authors' code.
    norms = (gradients.square().sum(-1) + 1e-8).sqrt()
    return (norms - 1).square().mean(-1)
