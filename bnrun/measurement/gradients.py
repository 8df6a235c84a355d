"""Statistics of gradient draws against a reference: bias, variance, cosines. Pure functions.

Shapes: D draws, G any grouping axes that are kept (a replica axis, say, or none), P coordinates of
one gradient, flattened.

    draws            [D, *G, P]   independent estimates of one gradient, D >= 2
    reference        [*G, P]      the gradient that they are compared with
    reference_error  [*G, P]      standard error of the reference, where it is an average itself

Each statistic of a whole gradient is [*G]; each statistic of a coordinate is [*G, P]. What is
relative to a reference of norm zero is infinite or NaN.
"""

from typing import NamedTuple

import torch
from torch import Tensor


def standard_error(draws: Tensor) -> Tensor:
    """Standard error of the mean of the draws, per coordinate, [*G, P]."""
    return draws.std(0) / len(draws) ** 0.5


def z_scores(draws: Tensor, reference: Tensor, reference_error: Tensor | None = None) -> Tensor:
    """Distance of the mean from the reference in standard errors, per coordinate, [*G, P].

    Rounding counts as an error of its own: a draw without variance that is right has z near 0,
    one that is wrong has a z that no threshold lets pass.
    """
    squared = standard_error(draws).square() + _rounding(draws, reference).unsqueeze(-1)
    if reference_error is not None:
        squared = squared + reference_error.square()
    return (draws.mean(0) - reference) / squared.sqrt()


def variance(draws: Tensor) -> Tensor:
    """Trace of the covariance of one draw, [*G]."""
    return draws.var(0).sum(-1)


def squared_bias(draws: Tensor, reference: Tensor, reference_error: Tensor | None = None) -> Tensor:
    """Squared norm of the bias, [*G], without the part that the finite number of draws adds.

    Its mean is the true one, so that it may be negative where there is little or no bias.
    """
    raw = (draws.mean(0) - reference).square().sum(-1) - variance(draws) / len(draws)
    return raw if reference_error is None else raw - reference_error.square().sum(-1)


def relative_bias(
    draws: Tensor, reference: Tensor, reference_error: Tensor | None = None
) -> Tensor:
    """norm(bias) / norm(reference), debiased, 0 where the draws show none, [*G]."""
    squared = squared_bias(draws, reference, reference_error).clamp(min=0)
    return squared.sqrt() / _norm(reference)


def bias_z(draws: Tensor, reference: Tensor, reference_error: Tensor | None = None) -> Tensor:
    """`squared_bias` in units of its own standard deviation under no bias, [*G].

    One figure for a whole gradient, also where P is far above D. Its noise is skewed upwards when
    few directions carry the variance: read values under 5 as none.
    Source: Chen, Qin, A two-sample test for high-dimensional data (2010), arXiv 1002.4547.
    """
    count = len(draws)
    centred = (draws - draws.mean(0)).movedim(0, -2)  # [*G, D, P]
    gram_is_smaller = count < centred.shape[-1]
    product = centred @ centred.mT if gram_is_smaller else centred.mT @ centred
    # Pairs of different draws only: the diagonal of the Gram matrix is noise times itself.
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
    """Cosine between two gradients [*G, P], 0 where one is zero, [*G]."""
    norms = _norm(first) * _norm(second)
    product = (first * second).sum(-1)
    return torch.where(norms > 0, product / norms.clamp(min=torch.finfo(norms.dtype).tiny), 0.0)


class Band(NamedTuple):
    """A mean over draws with the range that holds the middle 70 % of them; each [*G]."""

    low: Tensor
    mean: Tensor
    high: Tensor


def cosine_band(draws: Tensor, reference: Tensor) -> Band:
    """Cosine of single draws with the reference: mean, and the 15 % and 85 % quantiles."""
    cosines = cosine(draws, reference.expand_as(draws))
    low, high = torch.quantile(cosines, cosines.new_tensor([0.15, 0.85]), dim=0)
    return Band(low, cosines.mean(0), high)


def signal_to_noise(draws: Tensor, reference: Tensor) -> Tensor:
    """norm(reference)^2 / variance of one draw, infinite without variance, [*G]."""
    return reference.square().sum(-1) / variance(draws)


def sign_agreement(draws: Tensor, reference: Tensor) -> Tensor:
    """Share of coordinates whose sign is the reference's, mean over draws, [*G]."""
    return (draws.sign() == reference.sign()).to(draws.dtype).mean(-1).mean(0)


def scale(draws: Tensor, reference: Tensor) -> Tensor:
    """Each draw's length along the reference in units of the reference, [D, *G, 1].

    Its mean is 1 for an unbiased estimate: the sharpest single number against a wrong factor.
    """
    squared = reference.square().sum(-1, keepdim=True)
    return (draws * reference).sum(-1, keepdim=True) / squared


def _norm(gradient: Tensor) -> Tensor:
    return torch.linalg.vector_norm(gradient, dim=-1)


def _rounding(draws: Tensor, reference: Tensor) -> Tensor:
    """Square of what may pass for rounding, above zero, [*G]: 4e-11 of the norm in float64."""
    info = torch.finfo(draws.dtype)
    largest = torch.maximum(_norm(draws.mean(0)), _norm(reference))
    return (info.eps ** (2 / 3) * largest).square() + info.tiny
