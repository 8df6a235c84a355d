"""CIFAR-10: small colour photographs, from the archive of plain binary records."""

import io
import tarfile
import zlib

import numpy as np
import torch

from bnrun.core.fields import PositiveInt, validated
from bnrun.data.augment import Augmentation
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.data.files import PublishedFiles
from bnrun.data.partition import hold_out_last

_FOLDER = "cifar-10-batches-bin"
_TRAIN = [f"{_FOLDER}/data_batch_{number}.bin" for number in range(1, 6)]
_TEST = f"{_FOLDER}/test_batch.bin"
_SHAPE = (3, 32, 32)
_CLASSES = 10
_RECORD = 1 + 3 * 32 * 32  # bytes: the target, then the red, green and blue plane, row by row


@validated
class Cifar10(PublishedFiles):
    """Colour images with their targets: inputs [N, 3, 32, 32] in [0, 1], ten classes.

    validation  number of examples at the end of the training batches that are held out
    augment     random changes of training images

    The file `archive` is found, downloaded and checked as described in `PublishedFiles`.
    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009).
    """

    validation: PositiveInt = 5000
    augment: Augmentation = Augmentation()

    purposes = ("archive",)

    def load(self) -> Data:
        """Find or download, check, read and split. Raises DataError."""
        contents = self.read_all()
        members = _members(contents["archive"], self.files["archive"].name)
        batches = [_batch(members[path], path) for path in _TRAIN]
        examples = Split(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
        train, validation = hold_out_last(examples, self.validation)
        return Data(
            name=self.name,
            train=train,
            validation=validation,
            test=_batch(members[_TEST], _TEST),
            shape=_SHAPE,
            classes=_CLASSES,
            hashes=self.hashes(contents),
            augment=self.augment,
        )


def _members(content: bytes, name: str) -> dict[str, bytes]:
    """The six batches in the archive, by path; nothing is written to disk."""
    members = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for path in (*_TRAIN, _TEST):
                file = archive.extractfile(path)
                if file is None:
                    raise KeyError(f"{path} is not a file")
                members[path] = file.read()
    except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name} is not an archive of CIFAR-10's batches: {error}") from error
    return members


def _batch(content: bytes, path: str) -> Split:
    """The examples of one batch. Raises DataError if `content` is not whole records."""
    if not content or len(content) % _RECORD:
        raise DataError(f"{path} has {len(content)} bytes, not a multiple of {_RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    targets = records[:, 0]
    if targets.max() >= _CLASSES:
        raise DataError(f"{path} has the target {targets.max()}: it must have targets 0 .. 9")
    pixels = torch.from_numpy(records[:, 1:].copy()).to(torch.float32).div_(255)
    return Split(pixels.view(-1, *_SHAPE), torch.from_numpy(targets.astype(np.int64)))
