"""Latents of logistic noise: the sign is the neuron's bit, the rest a truncated logistic law."""

import numpy as np
import pytest
import torch
from interface import EXTREME, LOGITS
from scipy import stats

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.tools.latents import conditional_latent, latent


def test_latents_are_above_zero_where_the_neuron_fires():
    neuron = SBN(slope=2.0)
    logits = torch.cat([LOGITS, EXTREME]).expand(500, 1, 4, 4)
    latents = latent(neuron, logits, Noise([0]).uniform(logits))
    assert torch.equal(latents > 0, neuron.fire(logits, Noise([0])) > 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_latents_are_below_zero_where_the_probability_is_zero(dtype):
    logits = torch.tensor([-1e4, -1e3, 1e4], dtype=dtype)
    latents = latent(SBN(), logits, torch.zeros_like(logits))
    assert latents.sign().tolist() == [-1, -1, 1]
    assert latents.isfinite().all()


@pytest.mark.parametrize("logit", [-6.0, -0.4, 0.0, 1.3])
def test_conditional_latents_follow_the_truncated_logistic_law(logit):
    neuron, uniforms = SBN(slope=2.0), torch.linspace(0.001, 0.999, 999).double()
    logits = torch.full_like(uniforms, logit)
    law = stats.logistic(loc=2.0 * logit)
    above = conditional_latent(neuron, logits, torch.ones_like(logits), uniforms).numpy()
    below = conditional_latent(neuron, logits, torch.zeros_like(logits), uniforms).numpy()
    assert (above > 0).all()
    assert (below < 0).all()
    # The uniform is the share of the truncated law between 0 and the latent.
    np.testing.assert_allclose((law.cdf(above) - law.cdf(0)) / law.sf(0), uniforms, atol=1e-10)
    np.testing.assert_allclose((law.cdf(0) - law.cdf(below)) / law.cdf(0), uniforms, atol=1e-10)


def test_conditional_latents_have_the_derivative_of_their_formula():
    logits = torch.tensor([-2.0, 0.0, 0.7], dtype=torch.float64).requires_grad_()
    uniforms = torch.tensor([0.2, 0.9, 0.5], dtype=torch.float64)
    for bit in (0.0, 1.0):
        bits = torch.full_like(uniforms, bit)
        assert torch.autograd.gradcheck(
            lambda a, b=bits: conditional_latent(SBN(slope=1.5), a, b, uniforms), logits
        )
