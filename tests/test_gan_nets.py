"""Nets of the paper: as large as it says, with a norm at every pre-activation or at none."""

import pytest
import torch
from gans import normal

from bnrun.models.critic import CNNCritic, MLPCritic
from bnrun.models.generator import CNNGenerator, MLPGenerator


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
