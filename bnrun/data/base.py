"""The base class of every dataset, and what it loads: three fixed splits in memory."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from bnrun.data.augment import Augmentation
from bnrun.data.checks import check_data
from bnrun.data.errors import DataError


class Split(NamedTuple):
    """Examples in memory: inputs [N, *shape] and targets [N, ...].

    Datasets give float32 inputs on the CPU; class targets are [N] int64. A batch for R replicas
    has one more leading axis: inputs [R, B, *shape], targets [R, B, ...].
    """

    inputs: Tensor
    targets: Tensor

    def spread(self, count: int | None) -> "Split":
        """Return at most `count` evenly spaced examples, always the same; all of them for None.

        The first `count` could be of one kind: the test images of binarized MNIST are sorted by
        class.
        """
        total = len(self.targets)
        if count is None or count >= total:
            return self
        rows = torch.arange(count, device=self.targets.device) * total // count
        return self.take(rows)

    def take(self, rows: Tensor) -> "Split":
        """Return the examples with these indices, [n] int64."""
        return Split(self.inputs.index_select(0, rows), self.targets.index_select(0, rows))


@dataclass(frozen=True)
class Data:
    """A dataset with its fixed train/validation/test split, checked when it is made.

    name     of the dataset, for messages
    shape    of one input: (channels, height, width) of an image, or (features,)
    classes  number of classes; targets are 0 .. classes - 1. 0 if examples have no class: the
             targets are then zeros, or whatever a task computes from the inputs
    hashes   file or array -> sha256 of its uncompressed bytes; written into result.json
    augment  random changes of the images of training batches
    """

    name: str
    train: Split
    validation: Split
    test: Split
    shape: tuple[int, ...]
    classes: int
    hashes: dict[str, str] = field(default_factory=dict)
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Raises DataError if the splits are not what they should be, see bnrun.data.checks."""
        check_data(self)
        self.augment.check(self.shape, self.name)

    @property
    def splits(self) -> dict[str, Split]:
        """Name -> split, in the order of `bnrun.recording.tags.SPLITS`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class Dataset(ABC):
    """A source of data, chosen by `dataset=`. A subclass must define `load`.

    The fields of a subclass are the keys of its yaml; `bnrun.core.fields.validated` checks their
    types and ranges. For files that are downloaded, subclass `bnrun.data.files.PublishedFiles`.
    """

    @abstractmethod
    def load(self) -> Data:
        """Read the examples and split them, the same way every time.

        Raises DataError if the data are missing, damaged or not what they should be.
        """

    def sources(self) -> Sequence[Path] | None:
        """Return the files that decide what `load` gives, apart from those with known checksums.

        A finished run is skipped without loading its data if they have not changed. None if they
        are not known; the data are then loaded, and their hashes compared.
        """
        return None


def as_data(value: object, source: str) -> Data:
    """Return the value. Raises DataError, naming `source`, unless it is Data."""
    if not isinstance(value, Data):
        raise DataError(
            f"{source} returned a {type(value).__name__}, but must return a bnrun.data.base.Data"
        )
    return value
