"""Before step 1: every seed has buffers and random numbers of its own."""

import pytest
import torch
from rehearsals import IMAGE, SEEDS, UNITS, chain, refusal, run_of
from torch import nn

from bnrun.core.layers import BatchNorm
from bnrun.core.neurons import SBN
from bnrun.core.products import Linear
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.tasks.classification import Classification


class Running(nn.Module):
    """Subtracts a running mean of its inputs, kept in a buffer of some shape."""

    def __init__(self, shape, over):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.over = over

    def forward(self, x):
        mean = x.detach().mean(self.over, keepdim=True)
        self.mean += 0.1 * (mean.view(self.mean.shape) - self.mean)
        return x - self.mean


def with_running(shape, over):
    return chain(first=nn.Sequential(Running(shape, over), Linear(IMAGE, 3, SEEDS, "f", "default")))


def test_a_buffer_of_every_seed_is_allowed_and_keeps_its_value():
    model = with_running((3, 1, IMAGE), -2)
    run_of(model).rehearse()
    assert (model.stages[0][1][0].mean == 0).all()


@pytest.mark.parametrize(
    ("shape", "over", "message"),
    [
        ((1, 1, IMAGE), (-3, -2), "buffer stages.0.1.0.mean of shape [1, 1, 64] changes in a"),
        ((), (-3, -2, -1), "buffer stages.0.1.0.mean of shape [] changes in a forward pass"),
    ],
)
def test_a_buffer_that_seeds_share_is_refused(shape, over, message):
    model = with_running(shape, over)
    assert message in refusal(run_of(model))
    assert (model.stages[0][1][0].mean == 0).all()


def test_a_buffer_with_the_axis_of_seeds_that_mixes_them_is_refused():
    class Mixed(Running):
        def forward(self, x):
            self.mean += 0.1 * (x.detach().mean() - self.mean)
            return x - self.mean

    model = chain(
        first=nn.Sequential(Mixed((3, 1, 1), ()), Linear(IMAGE, 3, SEEDS, "f", "default"))
    )
    assert "buffer stages.0.1.0.mean is shared between seeds" in refusal(run_of(model))
    assert (model.stages[0][1][0].mean == 0).all()


def test_a_constant_buffer_is_allowed():
    model = chain()
    model.register_buffer("grid", torch.arange(5))
    run_of(model).rehearse()


def test_a_norm_over_the_examples_of_one_seed_is_allowed():
    layers = [Linear(IMAGE, UNITS, SEEDS, "f", "default"), BatchNorm((UNITS,), SEEDS)]
    run_of(chain(first=nn.Sequential(*layers))).rehearse()


@pytest.mark.parametrize("place", ["model", "task", "estimator"])
def test_random_numbers_without_a_seed_are_refused(place):
    class Noisy(Classification):
        def loss(self, model, batch, fired):
            losses = super().loss(model, batch, fired)
            return losses + torch.rand_like(losses)

    class Rand(SigmoidST):
        def __call__(self, logits, downstream, noise):
            return super().__call__(logits, downstream, noise) + torch.rand(())

    options = {
        "model": {"model": chain(second=nn.Sequential(nn.Dropout(0.5), chain().stages[1]))},
        "task": {"model": chain(), "task": Noisy()},
        "estimator": {"model": chain(), "estimators": [Rand(neuron=SBN())] * 2},
    }
    before = torch.get_rng_state()
    assert "draws random numbers from torch's global generator" in refusal(run_of(**options[place]))
    assert torch.equal(torch.get_rng_state(), before)
