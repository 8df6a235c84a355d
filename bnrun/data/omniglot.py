"""Omniglot: handwritten characters of 50 alphabets, the MATLAB file of the VAE literature."""

import io
import math
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bnrun.core.fields import NonNegativeInt, PositiveInt, validated
from bnrun.data.augment import Augmentation
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.data.files import PublishedFiles
from bnrun.data.partition import hold_out_random

_ALPHABETS = 50
_SHAPE = (1, 28, 28)
_ARRAYS = ("data", "target", "testdata", "testtarget")


@validated
class Omniglot(PublishedFiles):
    """Grey images of characters: inputs [N, 1, 28, 28] in [0, 1]; classes are the 50 alphabets.

    validation  number of training examples that are held out
    split_seed  chooses them; every split has the alphabets in proportion
    augment     random changes of training images

    The file `characters` is found, downloaded and checked as described in `PublishedFiles`.
    Source: Lake, Salakhutdinov, Tenenbaum (2015); reduced to 28 x 28 pixels, and split into
    training and test: Burda, Grosse, Salakhutdinov (2015), arXiv 1509.00519.
    """

    validation: PositiveInt = 1345
    split_seed: NonNegativeInt = 0
    augment: Augmentation = Augmentation()

    purposes = ("characters",)

    def load(self) -> Data:
        """Find or download, check, read and split. Raises DataError."""
        contents, name = self.read_all(), self.files["characters"].name
        arrays = _arrays(contents["characters"], name)
        examples = _examples(arrays["data"], arrays["target"], f"{name}'s data and target")
        test = _examples(arrays["testdata"], arrays["testtarget"], f"{name}'s testdata, testtarget")
        return Data(
            name=self.name,
            **hold_out_random(examples, {"validation": self.validation}, self.split_seed),
            test=test,
            shape=_SHAPE,
            classes=_ALPHABETS,
            hashes=self.hashes(contents),
            augment=self.augment,
        )


def _arrays(content: bytes, name: str) -> dict[str, npt.NDArray[Any]]:
    """The four arrays of the file, by name; nothing else in it is read."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        variables = loadmat(io.BytesIO(content), variable_names=_ARRAYS)
        return {array: np.asarray(variables[array]) for array in _ARRAYS}
    except KeyError as error:
        raise DataError(
            f"{name} has no {error.args[0]}: it must have {', '.join(_ARRAYS)}"
        ) from None
    except (
        *(ValueError, TypeError, OSError, EOFError, NotImplementedError, OverflowError),
        *(IndexError, MatReadError, struct.error, zlib.error),
    ) as error:
        raise DataError(f"{name} is not a MATLAB file, or damaged: {error}") from error


def _examples(images: npt.NDArray[Any], alphabets: npt.NDArray[Any], what: str) -> Split:
    """Examples from columns of pixels [784, N] and of a 1 among zeros [50, N]."""
    pixels, count = math.prod(_SHAPE), images.shape[-1] if images.ndim else 0
    fits = images.shape == (pixels, count) and alphabets.shape == (_ALPHABETS, count) and count
    if not fits or images.dtype.kind not in "fu" or alphabets.dtype.kind not in "fu":
        raise DataError(
            f"{what} must be arrays of numbers with {pixels} and {_ALPHABETS} rows and equally "
            f"many columns, but have the shapes {images.shape} and {alphabets.shape}"
        )
    if not (images.min() >= 0 and images.max() <= 1):
        raise DataError(f"{what} must have pixels in [0, 1]")
    if not ((alphabets == 0) | (alphabets == 1)).all() or (alphabets.sum(0) != 1).any():
        raise DataError(f"{what} must name one alphabet for each image")
    # MATLAB stores images by columns.
    upright = images.T.reshape(-1, *_SHAPE).swapaxes(2, 3).astype(np.float32)
    return Split(torch.from_numpy(upright), torch.from_numpy(alphabets.argmax(0).astype(np.int64)))
