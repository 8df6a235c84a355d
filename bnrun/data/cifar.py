"""CIFAR-10: small colour photographs, from the archive of Python pickles, of which none is run."""

import hashlib
import io
import pickle
import tarfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bnrun.core.fields import PositiveInt, validated
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.data.files import PublishedFiles

_TRAIN = [f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)]
_TEST = "cifar-10-batches-py/test_batch"
_SHAPE = (3, 32, 32)
_CLASSES = 10


@validated
class Cifar10(PublishedFiles):
    """Colour images with their targets, inputs [N, 3, 32, 32] in [0, 1], ten classes.

    validation  so many examples at the end of the training batches are the validation split

    The file `archive` is found, downloaded and checked as `PublishedFiles` says. Its pickles are
    read by `unpickled`, which builds arrays, lists, strings and numbers and nothing else.
    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009).
    """

    validation: PositiveInt = 5000

    purposes = ("archive",)

    def load(self) -> Data:
        """Find or download, check, read, split. Raises DataError."""
        content = self.read("archive")
        name = self.files["archive"].name
        members = _members(content, name)
        batches = [_batch(members[path], path) for path in _TRAIN]
        images, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
        count = len(targets) - self.validation
        if count < 1:
            raise DataError(
                f"dataset.validation={self.validation} leaves nothing of {len(targets)} examples "
                f"for training: make it smaller"
            )
        return Data(
            name=self.name,
            train=Split(images[:count], targets[:count]),
            validation=Split(images[count:], targets[count:]),
            test=_batch(members[_TEST], _TEST),
            shape=_SHAPE,
            classes=_CLASSES,
            hashes={name.removesuffix(".gz"): hashlib.sha256(content).hexdigest()},
        )


def _members(content: bytes, name: str) -> dict[str, bytes]:
    """The batches in the archive; nothing is written to a disk."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for path in (*_TRAIN, _TEST):
                file = archive.extractfile(path)
                if file is None:
                    raise KeyError(path)
                found[path] = file.read()
    except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name} is no archive of CIFAR-10's batches: {error}") from error
    return found


def _batch(content: bytes, path: str) -> Split:
    batch = unpickled(content, path)
    try:
        images, targets = batch[b"data"].values, np.asarray(batch[b"labels"])
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(f"{path} has no data and labels") from error
    pixels = int(np.prod(_SHAPE))
    fits = images.shape == (targets.size, pixels) and targets.size > 0
    if not fits or targets.dtype.kind != "i" or not 0 <= targets.min() <= targets.max() < _CLASSES:
        raise DataError(f"{path} must have data of {pixels} bytes a row and as many labels 0 .. 9")
    scaled = np.divide(images, 255, dtype=np.float32).reshape(-1, *_SHAPE)
    return Split(torch.from_numpy(scaled), torch.from_numpy(targets.astype(np.int64)))


def unpickled(content: bytes, path: str) -> Any:
    """What a pickle of plain values and arrays of bytes holds; an array has its `values`.

    Raises DataError, naming the file and the object, if it asks for anything else to be built: that
    may be a function of any module, and would be called with what the file says.
    """
    try:
        return _Plain(io.BytesIO(content), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{path} {error}") from None
    except Exception as error:  # A broken pickle raises whatever its broken parts raise.
        raise DataError(f"{path} is damaged: {error}") from error


class _Kind:
    """Stands for numpy.dtype: of bytes, as an array of objects could hold anything."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in ("u1", b"u1"):
            raise DataError(f"has an array of {code!r} where bytes belong: do not trust it")

    def __setstate__(self, state: Any) -> None:
        """Order of bytes and the like; a single byte has none."""


class _Array:
    """Stands for numpy.ndarray, whose own way to read a state trusts it."""

    values: npt.NDArray[np.uint8]

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _Kind) or not isinstance(content, bytes):
            raise DataError("has an array of something else than bytes: do not trust it")
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return lambda kind, shape, code: _Array()
            case "numpy", "ndarray":
                return _Array
            case "numpy", "dtype":
                return _Kind
            case "_codecs", "encode":
                return _encode
        raise DataError(f"asks for {module}.{name}, which no file of images needs: do not trust it")


def _encode(text: Any, encoding: Any) -> bytes:
    """How pickle writes bytes in its oldest formats."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise DataError("has bytes in an unknown form: do not trust it")
    return text.encode("latin1")
