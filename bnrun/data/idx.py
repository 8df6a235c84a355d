"""Image sets in the IDX format of MNIST: mnist, fashion_mnist, kmnist."""

import math
import struct

import numpy as np
import numpy.typing as npt
import torch

from bnrun.core.fields import PositiveInt, validated
from bnrun.data.augment import Augmentation
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.data.files import PublishedFiles
from bnrun.data.partition import hold_out_last

_UNSIGNED_BYTE = 8


@validated
class Idx(PublishedFiles):
    """Grey images with their targets: inputs [N, 1, height, width] in [0, 1].

    classes     number of classes
    validation  number of examples at the end of the training files that are held out
    augment     random changes of training images

    The files train_images, train_targets, test_images and test_targets are found, downloaded and
    checked as described in `PublishedFiles`. The test split is the test files.
    Source: LeCun, Cortes, Burges (1998), MNIST; Xiao et al. (2017), Fashion-MNIST, arXiv
    1708.07747; Clanuwat et al. (2018), Kuzushiji-MNIST, arXiv 1812.01718.
    """

    classes: PositiveInt = 10
    validation: PositiveInt = 5000
    augment: Augmentation = Augmentation()

    purposes = ("train_images", "train_targets", "test_images", "test_targets")

    def load(self) -> Data:
        """Find or download, check, read and split. Raises DataError."""
        contents = self.read_all()
        train, validation = hold_out_last(self._examples(contents, "train"), self.validation)
        test = self._examples(contents, "test")
        if test.inputs.shape[1:] != train.inputs.shape[1:]:
            raise DataError(f"the training and test images of {self.name} differ in size")
        return Data(
            name=self.name,
            train=train,
            validation=validation,
            test=test,
            shape=tuple(train.inputs.shape[1:]),
            classes=self.classes,
            hashes=self.hashes(contents),
            augment=self.augment,
        )

    def _examples(self, contents: dict[str, bytes], part: str) -> Split:
        names = [self.files[f"{part}_{kind}"].name for kind in ("images", "targets")]
        images = parse(contents[f"{part}_images"], names[0], axes=3)
        targets = parse(contents[f"{part}_targets"], names[1], axes=1)
        if len(images) != len(targets) or not len(images):
            raise DataError(
                f"{names[0]} has {len(images)} images and {names[1]} has {len(targets)} targets: "
                f"there must be equally many, and at least one"
            )
        if targets.max() >= self.classes:
            raise DataError(
                f"{names[1]} has the target {targets.max()}, but dataset.classes={self.classes} "
                f"allows 0 .. {self.classes - 1}"
            )
        return Split(
            # torch takes a seventh of NumPy's time for this: .4 s less for MNIST.
            torch.from_numpy(images[:, None].copy()).to(torch.float32).div_(255),
            torch.from_numpy(targets.astype(np.int64)),
        )


def parse(content: bytes, name: str, axes: int) -> npt.NDArray[np.uint8]:
    """Return the array of unsigned bytes in an IDX file.

    IDX is two zero bytes, the type, the number of axes, their lengths as big-endian 32-bit
    integers, then the values. Raises DataError, naming the file, if `content` has another form or
    another number of axes.
    """
    header = struct.calcsize(f">4B{axes}I")
    if content[:4] != bytes([0, 0, _UNSIGNED_BYTE, axes]) or len(content) < header:
        raise DataError(f"{name} is not an IDX file of unsigned bytes with {axes} axes")
    lengths = struct.unpack_from(f">{axes}I", content, 4)
    if len(content) - header != math.prod(lengths):
        raise DataError(
            f"{name} should have {' x '.join(map(str, lengths))} bytes by its header, but has "
            f"{len(content) - header}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(lengths)
