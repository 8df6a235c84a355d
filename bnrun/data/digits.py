"""scikit-learn's digits: small real images that need no download."""

import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bnrun.core.fields import NonNegativeInt, PositiveInt, validated
from bnrun.data.base import Data, Dataset, Split
from bnrun.data.errors import DataError
from bnrun.data.partition import Indices, partition

_WHITE = 16  # pixels count the ink of 4x4 fine pixels: 0 .. 16
# Of the table as unsigned bytes: 1,797 rows of 64 pixels and a target.
_SHA256 = "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"


@validated
class Digits(Dataset):
    """1,797 handwritten digits of 8x8 pixels, inputs [N, 1, 8, 8] in [0, 1], ten classes.

    validation, test  number of examples; the rest is for training
    split_seed        chooses the examples; every class has its share in each split

    The pixels are scaled to [0, 1]; their sha256 is checked.
    Source: Alpaydin & Kaynak (1998), UCI optical recognition of handwritten digits, test part,
    as packaged with scikit-learn.
    """

    validation: PositiveInt = 200
    test: PositiveInt = 300
    split_seed: NonNegativeInt = 0

    def load(self) -> Data:
        """Read and split. Raises DataError if the packaged table is not the known one, or if
        nothing is left for training.
        """
        table = read_packaged()
        if table is None:
            table = read_public()
        sha256 = hashlib.sha256(table.tobytes()).hexdigest()
        if sha256 != _SHA256:
            raise DataError(
                f"scikit-learn's digits are not the known ones: sha256 is {sha256}, but {_SHA256} "
                f"is expected; install scikit-learn anew"
            )
        if self.validation + self.test >= len(table):
            raise DataError(
                f"dataset.validation={self.validation} and dataset.test={self.test} leave nothing "
                f"of {len(table)} digits for training: make them smaller"
            )
        test, validation, train = partition(
            table[:, -1].astype(np.int64), [self.test, self.validation], self.split_seed
        )
        return Data(
            name="digits",
            train=_split(table, train),
            validation=_split(table, validation),
            test=_split(table, test),
            shape=(1, 8, 8),
            classes=10,
            hashes={"digits": sha256},
        )


def read_packaged() -> npt.NDArray[np.uint8] | None:
    """The table [1797, 65] from scikit-learn's folder; None where it is not kept there.

    Reading the file takes 0.03 s, importing sklearn.datasets 1.8 s.
    """
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            with gzip.open(path, "rt") as lines:
                return np.loadtxt(lines, delimiter=",").astype(np.uint8)
    return None


def read_public() -> npt.NDArray[np.uint8]:
    """The same table through scikit-learn's public function."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target]).astype(np.uint8)


def _split(table: npt.NDArray[np.uint8], rows: Indices) -> Split:
    pixels = table[rows, :-1].reshape(-1, 1, 8, 8)
    return Split(
        torch.from_numpy(np.divide(pixels, _WHITE, dtype=np.float32)),
        torch.from_numpy(table[rows, -1].astype(np.int64)),
    )
