"""Small real images that come with the package: UCI's handwritten digits.

The file optdigits.tes.gz beside this module is the test part of the dataset, with its licence in
optdigits.LICENSE.txt: a line of 64 pixels and a target for each digit, as published.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from bnrun.core.fields import NonNegativeInt, PositiveInt, validated
from bnrun.data.augment import Augmentation
from bnrun.data.base import Data, Dataset, Split
from bnrun.data.download import uncompressed
from bnrun.data.errors import DataError
from bnrun.data.partition import hold_out_random

FILE = Path(__file__).with_name("optdigits.tes.gz")
# Of its uncompressed bytes, as published by UCI.
_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"

_WHITE = 16  # a pixel counts the inked points among 4 x 4: 0 .. 16


@validated
class Digits(Dataset):
    """1,797 handwritten digits of 8 x 8 pixels: inputs [N, 1, 8, 8] in [0, 1], ten classes.

    validation, test  number of examples; the rest is for training
    split_seed        chooses the examples; every split has the classes in proportion
    augment           random changes of training images

    Source: Alpaydin, Kaynak, Optical Recognition of Handwritten Digits (1998), UCI Machine Learning
    Repository, CC BY 4.0.
    """

    validation: PositiveInt = 200
    test: PositiveInt = 300
    split_seed: NonNegativeInt = 0
    augment: Augmentation = Augmentation()

    def sources(self) -> Sequence[Path]:
        """Return none, because the checksum of the file is in this module."""
        return []

    def load(self) -> Data:
        """Read and split.

        Raises DataError if the file is damaged or no example is left for training.
        """
        content = uncompressed(FILE.read_bytes(), FILE)
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != _SHA256:
            raise DataError(
                f"{FILE} is damaged: its sha256 is {sha256}, but {_SHA256} is expected; reinstall "
                f"bnrun"
            )
        table = np.loadtxt(content.decode().splitlines(), delimiter=",", dtype=np.uint8)
        pixels = np.divide(table[:, :-1].reshape(-1, 1, 8, 8), _WHITE, dtype=np.float32)
        targets = torch.from_numpy(table[:, -1].astype(np.int64))
        splits = hold_out_random(
            Split(torch.from_numpy(pixels), targets),
            {"test": self.test, "validation": self.validation},
            self.split_seed,
        )
        return Data(
            name="digits",
            **splits,
            shape=(1, 8, 8),
            classes=10,
            hashes={"digits": hashlib.sha256(table.tobytes()).hexdigest()},
            augment=self.augment,
        )
