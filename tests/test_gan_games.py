"""The losses of the games, against formulas and finite differences."""

from copy import deepcopy

import torch
import torch.nn.functional as F
from gans import normal

from bnrun.core.noise import Noise
from bnrun.models.critic import CNNCritic, MLPCritic
from bnrun.tasks.gan.games import GAN, WGAN, WGANGP, gradient_penalty


def critic(seeds=(3, 7)):
    """A critic with weights so large that it is clearly non-linear."""
    net = MLPCritic(hidden=(6, 4), init="default").build((1, 2, 3), seeds)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3)
    return net


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


def test_convolutions_keep_replicas_apart(double):
    spec, seeds, images = CNNCritic(channels=(2, 3), dense=4), [3, 7], normal(2, 3, 64)
    together = WGANGP().critic_loss(spec.build((1, 8, 8), seeds), images, -images, Noise(seeds))
    for replica, seed in enumerate(seeds):
        own = images[replica : replica + 1]
        alone = WGANGP().critic_loss(spec.build((1, 8, 8), [seed]), own, -own, Noise([seed]))
        torch.testing.assert_close(together[replica], alone[0], rtol=1e-10, atol=0)
