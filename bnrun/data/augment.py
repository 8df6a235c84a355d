"""Augmentation: training images that are shifted and mirrored at random."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bnrun.core.fields import NonNegativeInt, validated
from bnrun.core.noise import stream
from bnrun.data.errors import DataError


class Changes(NamedTuple):
    """What happens to each of N images: mirrored [N], bool; shift down and right [N, 2], int64.

    A shift is between 0 and 2 * crop; at `crop` the image stays where it is.
    """

    mirrored: Tensor
    shifts: Tensor


@validated
class Augmentation:
    """Random changes of training images, drawn at every step, the same for all channels.

    crop  zeros are added on every side, this many pixels, and a window of the image's size is cut
          out at random; 0 cuts nothing
    flip  mirror half of the images, left to right

    The changes of a seed are a function of the seed, the step and the batch size. A seed has the
    same shifts with flips and without, and the same flips for every `crop`.

    Source: Lee et al., Deeply-Supervised Nets (2014), arXiv 1409.5185; He et al., Deep Residual
    Learning (2015), arXiv 1512.03385, with crop=4 for images of 32 x 32.
    """

    crop: NonNegativeInt = 0
    flip: bool = False

    @property
    def active(self) -> bool:
        """Whether any image is changed."""
        return self.crop > 0 or self.flip

    def check(self, shape: tuple[int, ...], name: str) -> None:
        """Raises DataError unless examples of this shape, of dataset `name`, can be augmented."""
        if not self.active:
            return
        if len(shape) != 3:
            word = f"crop={self.crop}" if self.crop else "flip=true"
            raise DataError(
                f"dataset.augment.{word} needs images, but dataset={name} has inputs of shape "
                f"{shape}: leave it out"
            )
        if self.crop >= min(shape[1:]):
            raise DataError(
                f"dataset.augment.crop={self.crop} may move images of {shape[1]} x {shape[2]} "
                f"pixels out of sight: choose at most {min(shape[1:]) - 1}"
            )

    def drawn(self, seeds: Sequence[int], epoch: int, count: int) -> Changes:
        """Changes of `count` images of every seed in one epoch, [R * count], seed by seed."""
        generators = [stream(seed, "augment", epoch) for seed in seeds]
        mirrored = np.concatenate([g.integers(2, size=count, dtype=np.bool_) for g in generators])
        ends = 2 * self.crop + 1
        shifts = np.concatenate([g.integers(ends, size=(count, 2)) for g in generators])
        return Changes(torch.from_numpy(mirrored) & self.flip, torch.from_numpy(shifts))

    def applied(self, images: Tensor, changes: Changes) -> Tensor:
        """Images [N, C, H, W] after their changes, of the same shape."""
        height, width = images.shape[-2:]
        columns = torch.arange(width, device=images.device)
        columns = torch.where(changes.mirrored[:, None], width - 1 - columns, columns)
        rows = torch.arange(height, device=images.device).expand(len(images), -1)
        rows, columns = rows + changes.shifts[:, :1], columns + changes.shifts[:, 1:]
        places = (rows[:, :, None] * (width + 2 * self.crop) + columns[:, None]).flatten(1)
        padded = F.pad(images, [self.crop] * 4).flatten(2)
        places = places.unsqueeze(1).expand(-1, images.shape[1], -1)
        return padded.gather(2, places).view(images.shape)
