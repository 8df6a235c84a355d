"""Statistics of gradient draws against a reference: bias, variance, cosines.

Shapes: D draws, G any number of grouping axes (e.g. a replica axis), P coordinates of one flattened
gradient.

    draws            [D, *G, P]   independent estimates of one gradient, D >= 2
    reference        [*G, P]      the gradient that they are compared with
    reference_error  [*G, P]      standard error of the reference, if it is an average itself

A statistic of a whole gradient is [*G], a statistic of each coordinate [*G, P]. Statistics relative
to a reference of norm zero are infinite or NaN.
"""

from typing import NamedTuple

import torch
from torch import Tensor


def standard_error(draws: Tensor) -> Tensor:
    """Standard error of the mean of the draws, per coordinate, [*G, P]."""
    return draws.std(0) / len(draws) ** 0.5


def z_scores(draws: Tensor, reference: Tensor, reference_error: Tensor | None = None) -> Tensor:
    """Distance of the mean from the reference in standard errors, per coordinate, [*G, P].

    The standard error includes rounding. So a correct estimate without variance has z near 0, and
    a wrong one has a z above any threshold.
    """
    squared = standard_error(draws).square() + _rounding(draws, reference).unsqueeze(-1)
    if reference_error is not None:
        squared = squared + reference_error.square()
    return (draws.mean(0) - reference) / squared.sqrt()


def variance(draws: Tensor) -> Tensor:
    """Trace of the covariance of one draw, [*G]."""
    return draws.var(0).sum(-1)


def squared_bias(draws: Tensor, reference: Tensor, reference_error: Tensor | None = None) -> Tensor:
    """Squared norm of the bias, [*G], less the part that the finite number of draws adds.

    This makes it unbiased itself, so it may be negative if there is little or no bias.
    """
    raw = (draws.mean(0) - reference).square().sum(-1) - variance(draws) / len(draws)
    return raw if reference_error is None else raw - reference_error.square().sum(-1)


def relative_bias(
    draws: Tensor, reference: Tensor, reference_error: Tensor | None = None
) -> Tensor:
    """norm(bias) / norm(reference), debiased; 0 if the draws show no bias, [*G]."""
    squared = squared_bias(draws, reference, reference_error).clamp(min=0)
    return squared.sqrt() / _norm(reference)


def bias_z(draws: Tensor, reference: Tensor, reference_error: Tensor | None = None) -> Tensor:
    """`squared_bias` in units of its own standard deviation under no bias, [*G].

    One number for a whole gradient, valid even if P is much larger than D. Its distribution is
    skewed upwards if few directions carry the variance: values below 5 mean no bias.
    Source: Chen, Qin, A two-sample test for high-dimensional data (2010), arXiv 1002.4547.
    """
    count = len(draws)
    centred = (draws - draws.mean(0)).movedim(0, -2)  # [*G, D, P]
    gram_is_smaller = count < centred.shape[-1]
    product = centred @ centred.mT if gram_is_smaller else centred.mT @ centred
    # Pairs of different draws only: on the diagonal of the Gram matrix noise is multiplied by
    # itself.
    pairs = product.square().sum((-2, -1)) - centred.square().sum(-1).square().sum(-1)
    spread = pairs.clamp(min=0) / float(count * (count - 1)) ** 2
    if reference_error is not None:
        error = reference_error.square()
        spread = spread + (error * (error + 2 * standard_error(draws).square())).sum(-1)
    deviation = (2 * spread).sqrt() + _rounding(draws, reference)
    return squared_bias(draws, reference, reference_error) / deviation


def mean_squared_error(draws: Tensor, reference: Tensor) -> Tensor:
    """Mean squared distance of one draw from the reference: squared bias plus variance, [*G]."""
    return (draws - reference).square().sum(-1).mean(0)


def relative_rmse(draws: Tensor, reference: Tensor, averaged: int = 1) -> Tensor:
    """Root mean squared error of the average of `averaged` draws over norm(reference), [*G]."""
    squared = squared_bias(draws, reference).clamp(min=0) + variance(draws) / averaged
    return squared.sqrt() / _norm(reference)


def cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine between two gradients [*G, P]; 0 if one of them is zero, [*G]."""
    norms = _norm(first) * _norm(second)
    product = (first * second).sum(-1)
    return torch.where(norms > 0, product / norms.clamp(min=torch.finfo(norms.dtype).tiny), 0.0)


class Band(NamedTuple):
    """A mean over draws and the range of the middle 70 % of them; each [*G]."""

    low: Tensor
    mean: Tensor
    high: Tensor


def cosine_band(draws: Tensor, reference: Tensor) -> Band:
    """Cosine of single draws with the reference: mean, and the 15 % and 85 % quantiles."""
    cosines = cosine(draws, reference.expand_as(draws))
    low, high = torch.quantile(cosines, cosines.new_tensor([0.15, 0.85]), dim=0)
    return Band(low, cosines.mean(0), high)


def signal_to_noise(draws: Tensor, reference: Tensor) -> Tensor:
    """norm(reference)^2 / variance of one draw; infinite without variance, [*G]."""
    return reference.square().sum(-1) / variance(draws)


def sign_agreement(draws: Tensor, reference: Tensor) -> Tensor:
    """Share of coordinates whose sign is the reference's, mean over draws, [*G]."""
    return (draws.sign() == reference.sign()).to(draws.dtype).mean(-1).mean(0)


def scale(draws: Tensor, reference: Tensor) -> Tensor:
    """Projection of each draw on the reference, divided by the reference's norm, [D, *G, 1].

    Its mean is 1 for an unbiased estimate. No other number is as sensitive to a wrong factor.
    """
    squared = reference.square().sum(-1, keepdim=True)
    return (draws * reference).sum(-1, keepdim=True) / squared


def _norm(gradient: Tensor) -> Tensor:
    return torch.linalg.vector_norm(gradient, dim=-1)


def _rounding(draws: Tensor, reference: Tensor) -> Tensor:
    """Square of the largest error that may be rounding, positive, [*G].

    In float64 that is 4e-11 of the norm.
    """
    info = torch.finfo(draws.dtype)
    largest = torch.maximum(_norm(draws.mean(0)), _norm(reference))
    return (info.eps ** (2 / 3) * largest).square() + info.tiny
