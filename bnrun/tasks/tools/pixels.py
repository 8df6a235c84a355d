"""Binary images: binarization of grey ones, and the log-likelihood of bits."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from bnrun.core.noise import Noise
from bnrun.data.base import Data
from bnrun.data.errors import DataError

Binarization = Literal["dynamic", "threshold", "nonzero", "none"]
"""How a pixel in [0, 1] becomes a bit.

dynamic    sampled at every use, with the pixel as its probability
threshold  1 if the pixel is above 1/2
nonzero    1 if the pixel is above 0
none       unchanged, for images that are binary already
"""


def check_pixels(data: Data, task: str) -> None:
    """Raises DataError if an input of any split is outside [0, 1]."""
    for name, split in (
        ("train", data.train),
        ("validation", data.validation),
        ("test", data.test),
    ):
        low, high = (bound.item() for bound in split.inputs.aminmax())
        if low < 0 or high > 1:
            raise DataError(
                f"task={task} uses pixels as probabilities of bits, but dataset={data.name} has "
                f"{name}_inputs in {low:g} .. {high:g}, outside [0, 1]: scale them, or choose "
                f"images, like dataset=mnist"
            )


def binarized(pixels: Tensor, how: Binarization, noise: Noise) -> Tensor:
    """Return pixels [R, B, ...] as bits, in the same shape and dtype."""
    if how == "none":
        return pixels
    if how in ("threshold", "nonzero"):
        return (pixels > (0.5 if how == "threshold" else 0)).to(pixels)
    flat = pixels.flatten(2)
    return (noise.uniform(flat) < flat).to(pixels).view(pixels.shape)


def log_likelihood(bits: Tensor, logits: Tensor) -> Tensor:
    """Return the log-probability in nats of independent bits with P(1) = sigmoid(logit).

    [..., U] -> [...]. For values between 0 and 1 it interpolates linearly.
    """
    return (bits * logits + F.logsigmoid(-logits)).sum(-1)
