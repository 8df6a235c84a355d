"""Pixels as bits: how they are binarized, and how likely they are."""

import math

import torch

from bnrun.core.noise import Noise
from bnrun.tasks.tools.pixels import binarized, log_likelihood

SEEDS = [3, 7]


def test_dynamic_bits_follow_the_pixels_and_differ_every_time():
    pixels = torch.tensor([0.0, 0.2, 0.5, 1.0]).expand(2, 20_000, 4)
    noise = Noise(SEEDS)
    first, second = (binarized(pixels, "dynamic", noise) for _ in range(2))
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert set(first.unique().tolist()) == {0.0, 1.0}
    p = pixels[0, 0]
    assert ((first.mean(1) - p).abs() <= 4 * (p * (1 - p) / 20_000).sqrt()).all()


def test_other_binarizations_are_deterministic():
    pixels = torch.tensor([0.0, 1e-6, 0.499, 0.5, 0.501, 0.6]).expand(2, 3, 6)
    assert torch.equal(binarized(pixels, "nonzero", Noise(SEEDS)), (pixels > 0).float())
    assert torch.equal(binarized(pixels, "threshold", Noise(SEEDS)), (pixels > 0.5).float())
    assert torch.equal(binarized(pixels, "none", Noise(SEEDS)), pixels)


def test_log_likelihood_is_that_of_bernoulli_at_any_logit(double):
    logits = torch.tensor([-800.0, -30.0, -1.0, 0.0, 2.0, 30.0, 800.0])
    for bits in (torch.zeros(7), torch.ones(7)):
        expected = torch.where(bits > 0, logits, -logits)
        expected = -torch.logaddexp(torch.zeros(()), -expected).sum()
        torch.testing.assert_close(log_likelihood(bits, logits), expected, rtol=1e-12, atol=0)
    assert math.isclose(log_likelihood(torch.ones(1), torch.zeros(1)), -math.log(2))
