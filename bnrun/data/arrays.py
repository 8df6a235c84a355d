"""Your own dataset, from a NumPy or a torch file."""

import hashlib
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from bnrun.core.fields import NonNegativeInt, PositiveInt, validated
from bnrun.data.base import Data, Dataset, Split
from bnrun.data.errors import DataError
from bnrun.data.partition import hold_out_random

Array = npt.NDArray[np.generic]
Fraction = Annotated[float, Field(gt=0, lt=1)]

_SPLITS = ("train", "validation", "test")
_KEYS = tuple(f"{split}_{kind}" for split in _SPLITS for kind in ("inputs", "targets"))
_KINDS = {
    ".npz": "arrays saved by numpy.savez",
    ".pt": "a dictionary of tensors saved by torch.save",
    ".pth": "a dictionary of tensors saved by torch.save",
}
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    TypeError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
)


@validated
class ArrayFile(Dataset):
    """Named arrays in a file: NumPy's .npz, or a dictionary of tensors saved by torch.

    path        the file: .npz, .pt or .pth. Python objects in it are never unpickled
    classes     number of classes; null for the largest training target plus 1
    validation_fraction, test_fraction
                share of the training examples that are held out if the file lacks that split
    split_seed  chooses them; every split has the classes in proportion

    The arrays are

    train_inputs   [N, features], [N, height, width] or [N, channels, height, width]; uint8 is
                   scaled from 0 .. 255 to [0, 1], floats and booleans are used unchanged
    train_targets  [N] integers, 0 .. classes - 1

    and optionally, in pairs, validation_inputs and validation_targets, test_inputs and
    test_targets.
    """

    path: Path
    classes: PositiveInt | None = None
    validation_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.1
    split_seed: NonNegativeInt = 0

    def load(self) -> Data:
        """Read, check and split. Raises DataError, naming the file and the array."""
        arrays = _read(self.path.expanduser())
        self._check_keys(arrays)
        given = [split for split in _SPLITS if f"{split}_inputs" in arrays]
        splits = {split: self._split(arrays, split) for split in given}
        classes = self.classes or int(splits["train"].targets.max()) + 1
        for name, split in splits.items():
            self._check_split(name, split, splits["train"], classes)
        splits = self._fill(splits)
        return Data(
            name=self.path.stem,
            **splits,
            shape=tuple(splits["train"].inputs.shape[1:]),
            classes=classes,
            hashes={
                key: hashlib.sha256(array.tobytes()).hexdigest() for key, array in arrays.items()
            },
        )

    def _check_keys(self, arrays: dict[str, Array]) -> None:
        unknown = [key for key in arrays if key not in _KEYS]
        if unknown:
            raise DataError(
                f"{self.path} has the arrays {', '.join(unknown)}, but may only have "
                f"{', '.join(_KEYS)}"
            )
        for split in _SPLITS:
            pair = [f"{split}_inputs", f"{split}_targets"]
            missing = [key for key in pair if key not in arrays]
            if missing and (split == "train" or len(missing) == 1):
                raise DataError(
                    f"{self.path} has no {' and no '.join(missing)}: add what is missing"
                )

    def _split(self, arrays: dict[str, Array], name: str) -> Split:
        inputs, targets = arrays[f"{name}_inputs"], arrays[f"{name}_targets"]
        if inputs.ndim not in (2, 3, 4) or targets.ndim != 1 or len(inputs) != len(targets):
            raise DataError(
                f"{self.path}: {name}_inputs has shape {inputs.shape} and {name}_targets "
                f"{targets.shape}, but they must have the shapes [N, features], "
                f"[N, height, width] or [N, channels, height, width], and [N]"
            )
        if inputs.size == 0:
            raise DataError(f"{self.path}: {name}_inputs is empty, shape {inputs.shape}")
        if targets.dtype.kind not in "iu":
            raise DataError(
                f"{self.path}: {name}_targets is {targets.dtype}, but must be integers: save it "
                f"as int64"
            )
        return Split(self._scaled(inputs, name), torch.from_numpy(targets.astype(np.int64)))

    def _scaled(self, inputs: Array, name: str) -> torch.Tensor:
        if inputs.dtype == np.uint8:
            values = np.divide(inputs, 255, dtype=np.float32)
        elif inputs.dtype.kind in "fb":
            with np.errstate(over="ignore"):  # becomes infinite, which is refused below
                values = inputs.astype(np.float32)
        else:
            raise DataError(
                f"{self.path}: {name}_inputs is {inputs.dtype}, but must be uint8 (0 .. 255, "
                f"scaled to [0, 1]), a float or bool: save it as one of these"
            )
        if not np.isfinite(values).all():
            raise DataError(
                f"{self.path}: {name}_inputs has NaN or infinite values (in float32): remove them"
            )
        return torch.from_numpy(values[:, None] if inputs.ndim == 3 else values)

    def _check_split(self, name: str, split: Split, train: Split, classes: int) -> None:
        smallest, largest = int(split.targets.min()), int(split.targets.max())
        if smallest < 0 or largest >= classes:
            raise DataError(
                f"{self.path}: {name}_targets has values {smallest} .. {largest}, but they must be "
                f"within 0 .. {classes - 1}: number the classes from 0, or set dataset.classes"
            )
        if split.inputs.shape[1:] != train.inputs.shape[1:]:
            shapes = tuple(split.inputs.shape[1:]), tuple(train.inputs.shape[1:])
            raise DataError(
                f"{self.path}: an example of {name}_inputs has shape {shapes[0]}, one of "
                f"train_inputs {shapes[1]}: they must agree"
            )

    def _fill(self, splits: dict[str, Split]) -> dict[str, Split]:
        """All three splits; those that the file lacks are held out of its training examples."""
        examples = len(splits["train"].targets)
        fractions = {"validation": self.validation_fraction, "test": self.test_fraction}
        lacking = [split for split in fractions if split not in splits]
        if not lacking:
            return splits
        sizes = {split: round(fractions[split] * examples) for split in lacking}
        if min(*sizes.values(), examples - sum(sizes.values())) < 1:
            options = ", ".join(f"dataset.{split}_fraction={fractions[split]}" for split in lacking)
            raise DataError(
                f"{self.path} has {examples} training examples, too few for {options} and "
                f"training: change the fractions, or add {' and '.join(lacking)} arrays to the file"
            )
        return splits | hold_out_random(splits["train"], sizes, self.split_seed)


def _read(path: Path) -> dict[str, Array]:
    """All arrays of the file, by name."""
    if not path.is_file():
        raise DataError(f"dataset.path={path} is not a file: correct the path")
    if path.suffix not in _KINDS:
        raise DataError(
            f"dataset.path={path} must end in {', '.join(_KINDS)}: save the data as one of these"
        )
    try:
        return _read_numpy(path) if path.suffix == ".npz" else _read_torch(path)
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read: it must hold {_KINDS[path.suffix]}, whole and without Python "
            f"objects"
        ) from error


def _read_numpy(path: Path) -> dict[str, Array]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _read_torch(path: Path) -> dict[str, Array]:
    if not zipfile.is_zipfile(path):  # torch's format since 1.6; older files are bare pickles
        raise zipfile.BadZipFile
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(tensors, dict):
        raise DataError(f"{path} holds a {type(tensors).__name__}, but must hold a dictionary")
    others = [str(key) for key, value in tensors.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise DataError(f"{path}: {', '.join(others)} must be tensors")
    # NumPy has no bfloat16.
    return {
        str(key): (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()
        for key, tensor in tensors.items()
    }
