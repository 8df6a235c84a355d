"""What a dataset is: three fixed splits in memory."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


class Split(NamedTuple):
    """Examples in memory: inputs [N, *shape], targets [N, ...]. Sources give float32 on the CPU.

    Targets of classes are [N] int64. A batch for R replicas has a leading axis more: inputs
    [R, B, *shape], targets [R, B, ...].
    """

    inputs: Tensor
    targets: Tensor

    def spread(self, count: int | None) -> "Split":
        """At most `count` examples at even distances, all for None; always the same.

        The first ones may be of one kind: the test images of binarized MNIST are sorted by class.
        """
        total = len(self.targets)
        if count is None or count >= total:
            return self
        rows = torch.arange(count, device=self.targets.device) * total // count
        return Split(self.inputs.index_select(0, rows), self.targets.index_select(0, rows))


@dataclass(frozen=True)
class Data:
    """A dataset with its fixed train/validation/test split.

    shape    of one input: (channels, height, width) of an image, or (features,)
    classes  number of target values; targets are 0 .. classes - 1. 0 where no example has a
             class: a source gives zeros for targets then, a task what it makes of the inputs
    hashes   file or array -> sha256 of its uncompressed bytes
    """

    name: str
    train: Split
    validation: Split
    test: Split
    shape: tuple[int, ...]
    classes: int
    hashes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for inputs, targets in (self.train, self.validation, self.test):
            assert inputs.is_floating_point(), inputs.dtype
            assert targets.dtype == torch.int64 or not self.classes, targets.dtype
            assert len(targets) > 0, f"{self.name} has an empty split"
            assert inputs.shape == (len(targets), *self.shape), (inputs.shape, targets.shape)
