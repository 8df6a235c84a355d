"""Statically binarized MNIST: the same bits for everyone, in Larochelle's .amat files."""

from math import prod

import numpy as np
import numpy.typing as npt
import torch

from bnrun.core.fields import validated
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.data.files import PublishedFiles

_SHAPE = (1, 28, 28)


@validated
class Amat(PublishedFiles):
    """Binary images without classes: inputs [N, 1, 28, 28] of zeros and ones, targets 0.

    The files train, validation and test are found, downloaded and checked as described in
    `PublishedFiles`.
    Source: Salakhutdinov, Murray, On the Quantitative Analysis of Deep Belief Networks (2008), who
    drew the bits once; split and files: Larochelle, Murray, NADE (2011).
    """

    purposes = ("train", "validation", "test")

    def load(self) -> Data:
        """Find or download, check and read. Raises DataError."""
        contents = self.read_all()
        splits = {
            split: _split(parse(content, self.files[split].name, prod(_SHAPE)))
            for split, content in contents.items()
        }
        return Data(
            name=self.name,
            train=splits["train"],
            validation=splits["validation"],
            test=splits["test"],
            shape=_SHAPE,
            classes=0,
            hashes=self.hashes(contents),
        )


def _split(bits: npt.NDArray[np.uint8]) -> Split:
    inputs = torch.from_numpy(bits.astype(np.float32)).view(-1, *_SHAPE)
    return Split(inputs, torch.zeros(len(inputs)))


def parse(content: bytes, name: str, pixels: int) -> npt.NDArray[np.uint8]:
    """Return the zeros and ones of an .amat file, [N, pixels]: a row per line, spaces between.

    Raises DataError, naming the file, if `content` is not of that form.
    """
    # Every number is one character, and one separator follows it: nothing needs to be searched.
    characters = np.frombuffer(content, np.uint8)
    if len(characters) == 0 or len(characters) % (2 * pixels):
        raise DataError(
            f"{name} has {len(characters)} bytes, which is not a number of lines of {pixels} bits"
        )
    rows = characters.reshape(-1, 2 * pixels)
    bits, after = rows[:, ::2] - ord("0"), rows[:, 1::2]
    if bits.max() > 1 or (after[:, :-1] != ord(" ")).any() or (after[:, -1] != ord("\n")).any():
        raise DataError(f"{name} must have {pixels} zeros and ones per line, separated by spaces")
    return bits
