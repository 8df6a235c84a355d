"""Images as bits: how they are made of grey ones, and how likely they are."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from bnrun.core.noise import Noise

Binarization = Literal["dynamic", "threshold", "nonzero", "none"]
"""Bits of a pixel in [0, 1]: drawn with it for probability each time that it is seen; 1 above 1/2;
1 above 0; or the pixel as it is, for images that are bits already."""


def binarized(pixels: Tensor, how: Binarization, noise: Noise) -> Tensor:
    """Bits of pixels [R, B, ...] in their dtype, the same shape."""
    if how == "none":
        return pixels
    if how in ("threshold", "nonzero"):
        return (pixels > (0.5 if how == "threshold" else 0)).to(pixels)
    flat = pixels.flatten(2)
    return (noise.uniform(flat) < flat).to(pixels).view(pixels.shape)


def log_likelihood(bits: Tensor, logits: Tensor) -> Tensor:
    """log P(bits) of independent bits with P(1) = sigmoid(logit), in nats; [..., U] -> [...].

    For values between 0 and 1 it is the mean of the two ends in that proportion.
    """
    return (bits * logits + F.logsigmoid(-logits)).sum(-1)
