"""Image sets in the IDX format of MNIST: mnist, fashion_mnist, kmnist."""

import hashlib
import math
import struct

import numpy as np
import numpy.typing as npt
import torch

from bnrun.core.fields import PositiveInt, validated
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.data.files import PublishedFiles

_PURPOSES = ("train_images", "train_targets", "test_images", "test_targets")
_UNSIGNED_BYTE = 8


@validated
class Idx(PublishedFiles):
    """Grey images with their targets, inputs [N, 1, height, width] in [0, 1].

    classes     number of target values
    validation  so many examples at the end of the training files are the validation split

    The files train_images, train_targets, test_images and test_targets are found, downloaded and
    checked as `PublishedFiles` says. The test split is the test files.
    Source: LeCun, Cortes, Burges (1998), MNIST; Xiao et al. (2017), Fashion-MNIST, arXiv
    1708.07747; Clanuwat et al. (2018), Kuzushiji-MNIST, arXiv 1812.01718.
    """

    classes: PositiveInt = 10
    validation: PositiveInt = 5000

    purposes = _PURPOSES

    def load(self) -> Data:
        """Find or download, check, split. Raises DataError."""
        contents = {purpose: self.read(purpose) for purpose in _PURPOSES}
        images, targets = self._examples(contents, "train")
        count = len(targets) - self.validation
        if count < 1:
            raise DataError(
                f"dataset.validation={self.validation} leaves nothing of {len(targets)} examples "
                f"for training: make it smaller"
            )
        test = self._examples(contents, "test")
        if test.inputs.shape[1:] != images.shape[1:]:
            raise DataError(f"{self.name}'s training and test images differ in size")
        return Data(
            name=self.name,
            train=Split(images[:count], targets[:count]),
            validation=Split(images[count:], targets[count:]),
            test=test,
            shape=tuple(images.shape[1:]),
            classes=self.classes,
            hashes={
                self.files[purpose].name.removesuffix(".gz"): hashlib.sha256(content).hexdigest()
                for purpose, content in contents.items()
            },
        )

    def _examples(self, contents: dict[str, bytes], part: str) -> Split:
        names = [self.files[f"{part}_{kind}"].name for kind in ("images", "targets")]
        images = parse(contents[f"{part}_images"], names[0], axes=3)
        targets = parse(contents[f"{part}_targets"], names[1], axes=1)
        if len(images) != len(targets) or not len(images):
            raise DataError(
                f"{names[0]} has {len(images)} images and {names[1]} has {len(targets)} targets: "
                f"they must be as many, and at least one"
            )
        if targets.max() >= self.classes:
            raise DataError(
                f"{names[1]} has the target {targets.max()}, but dataset.classes={self.classes} "
                f"allows 0 .. {self.classes - 1}"
            )
        return Split(
            # By torch, which takes a seventh of NumPy's time, .4 s for MNIST.
            torch.from_numpy(images[:, None].copy()).to(torch.float32).div_(255),
            torch.from_numpy(targets.astype(np.int64)),
        )


def parse(content: bytes, name: str, axes: int) -> npt.NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, with so many axes.

    IDX is two zero bytes, the type, the number of axes, their lengths as big-endian 32-bit
    integers, then the values. Raises DataError, naming the file, if `content` is not of that form.
    """
    header = struct.calcsize(f">4B{axes}I")
    if content[:4] != bytes([0, 0, _UNSIGNED_BYTE, axes]) or len(content) < header:
        raise DataError(f"{name} is not an IDX file of unsigned bytes with {axes} axes")
    lengths = struct.unpack_from(f">{axes}I", content, 4)
    if len(content) - header != math.prod(lengths):
        raise DataError(
            f"{name} announces {' x '.join(map(str, lengths))} bytes, but has "
            f"{len(content) - header}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(lengths)
