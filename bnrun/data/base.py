"""What a dataset is: three fixed splits in memory."""

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor


class Split(NamedTuple):
    """Examples in memory: inputs [N, *shape] float32, targets [N] int64."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Data:
    """A dataset with its fixed train/validation/test split.

    shape    of one input: (channels, height, width) of an image, or (features,)
    classes  number of target values; targets are 0 .. classes - 1
    hashes   file or array -> sha256 of its uncompressed bytes
    """

    name: str
    train: Split
    validation: Split
    test: Split
    shape: tuple[int, ...]
    classes: int
    hashes: dict[str, str] = field(default_factory=dict)
