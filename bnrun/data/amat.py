"""Statically binarized MNIST: the same bits for everyone, in the .amat files of Larochelle."""

import hashlib
from math import prod

import numpy as np
import numpy.typing as npt
import torch

from bnrun.core.fields import validated
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.data.files import PublishedFiles

_SPLITS = ("train", "validation", "test")
_SHAPE = (1, 28, 28)


@validated
class Amat(PublishedFiles):
    """Images of bits without classes, inputs [N, 1, 28, 28] of zeros and ones, targets 0.

    The files train, validation and test are found, downloaded and checked as `PublishedFiles` says.
    Source: Salakhutdinov, Murray, On the Quantitative Analysis of Deep Belief Networks (2008), who
    drew the bits once; split and files: Larochelle, Murray, NADE (2011).
    """

    purposes = _SPLITS

    def load(self) -> Data:
        """Find or download, check, read. Raises DataError."""
        contents = {split: self.read(split) for split in _SPLITS}
        splits = {
            split: _split(parse(content, self.files[split].name, prod(_SHAPE)))
            for split, content in contents.items()
        }
        return Data(
            name=self.name,
            **splits,
            shape=_SHAPE,
            classes=0,
            hashes={
                self.files[split].name.removesuffix(".gz"): hashlib.sha256(content).hexdigest()
                for split, content in contents.items()
            },
        )


def _split(bits: npt.NDArray[np.uint8]) -> Split:
    inputs = torch.from_numpy(bits.astype(np.float32)).view(-1, *_SHAPE)
    return Split(inputs, torch.zeros(len(inputs)))


def parse(content: bytes, name: str, pixels: int) -> npt.NDArray[np.uint8]:
    """The zeros and ones of an .amat file, [N, pixels]: one row a line, a space between two.

    Raises DataError, naming the file, if `content` is not of that form.
    """
    # Every number is one character with one behind it, so that nothing needs to be searched.
    characters = np.frombuffer(content, np.uint8)
    if len(characters) == 0 or len(characters) % (2 * pixels):
        raise DataError(f"{name} has {len(characters)} bytes, which are no lines of {pixels} bits")
    rows = characters.reshape(-1, 2 * pixels)
    bits, behind = rows[:, ::2] - ord("0"), rows[:, 1::2]
    if bits.max() > 1 or (behind[:, :-1] != ord(" ")).any() or (behind[:, -1] != ord("\n")).any():
        raise DataError(f"{name} must have {pixels} zeros and ones a line, a space between two")
    return bits
