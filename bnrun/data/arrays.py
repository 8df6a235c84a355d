"""Your own dataset, from a NumPy or a torch file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from bnrun.core.fields import NonNegativeInt, PositiveInt, validated
from bnrun.data.array_file import Array, read_arrays
from bnrun.data.augment import Augmentation
from bnrun.data.base import Data, Dataset, Split
from bnrun.data.checks import check_channels, check_no_empty_class, check_values
from bnrun.data.errors import DataError
from bnrun.data.partition import hold_out_random

Fraction = Annotated[float, Field(gt=0, lt=1)]

_SPLITS = ("train", "validation", "test")
_KEYS = tuple(f"{split}_{kind}" for split in _SPLITS for kind in ("inputs", "targets"))
_BRIGHT = 128
"""Some pixel of any set of images in 0 .. 255 is at least this; bits and scales to 100 are not."""


@validated
class ArrayFile(Dataset):
    """Named arrays in a file: NumPy's .npz, or a dictionary of tensors saved by torch.

    path        the file: .npz, .pt or .pth. Python objects in it are never unpickled
    classes     number of classes; null for the largest training target plus 1, with an example of
                every class
    validation_fraction, test_fraction
                share of the training examples that are held out if the file lacks that split
    split_seed  chooses them; every split has the classes in proportion
    augment     random changes of training images

    The arrays are

    train_inputs   [N, features], [N, height, width] or [N, channels, height, width]; uint8 is
                   scaled from 0 .. 255 to [0, 1], floats and booleans are used unchanged. All
                   splits must be of the same one of these three kinds
    train_targets  [N] integers, 0 .. classes - 1

    and optionally, in pairs, validation_inputs and validation_targets, test_inputs and
    test_targets.
    """

    path: Path
    classes: PositiveInt | None = None
    validation_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.1
    split_seed: NonNegativeInt = 0
    augment: Augmentation = Augmentation()

    def sources(self) -> Sequence[Path]:
        """Return the one file."""
        return [self.path.expanduser()]

    def load(self) -> Data:
        """Read, check and split. Raises DataError, naming the file and the array."""
        arrays = read_arrays(self.path.expanduser())
        self._check_keys(arrays)
        given = [split for split in _SPLITS if f"{split}_inputs" in arrays]
        self._check_kinds({name: arrays[name] for name in map("{}_inputs".format, given)})
        splits = {split: self._split(arrays, split) for split in given}
        targets = splits["train"].targets
        if self.classes is None and targets.min() >= 0:
            check_no_empty_class(targets, f"{self.path}: train_targets")
        classes = self.classes or int(targets.max()) + 1
        # Before examples are held out, so that an index in a message is that of the file.
        check_values(splits, classes, str(self.path))
        splits = self._fill(splits)
        return Data(
            name=self.path.stem,
            **splits,
            shape=tuple(splits["train"].inputs.shape[1:]),
            classes=classes,
            hashes={
                key: hashlib.sha256(array.tobytes()).hexdigest() for key, array in arrays.items()
            },
            augment=self.augment,
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
        if targets.max() > np.iinfo(np.int64).max:
            index = int(targets.argmax())
            raise DataError(f"{self.path}: {name}_targets[{index}] is {targets[index]}, too large")
        return Split(self._scaled(inputs, name), torch.from_numpy(targets.astype(np.int64)))

    def _scaled(self, inputs: Array, name: str) -> torch.Tensor:
        if inputs.dtype == np.uint8:
            values = np.divide(inputs, 255, dtype=np.float32)
        elif inputs.dtype.kind in "fb":
            with np.errstate(over="ignore"):  # becomes infinite, which is refused later
                values = inputs.astype(np.float32)
        else:
            raise DataError(
                f"{self.path}: {name}_inputs is {inputs.dtype}, but must be uint8 (0 .. 255, "
                f"scaled to [0, 1]), a float or bool: save it as one of these"
            )
        return torch.from_numpy(values[:, None] if inputs.ndim == 3 else values)

    def _check_kinds(self, inputs: dict[str, Array]) -> None:
        """Check that every split is scaled by the same rule, and that it is the right rule."""
        first, *others = inputs
        for name in others:
            if _kind(inputs[name]) != _kind(inputs[first]):
                raise DataError(
                    f"{self.path}: {name} is {inputs[name].dtype}, but {first} is "
                    f"{inputs[first].dtype}: save all splits alike, because uint8 is scaled from "
                    f"0 .. 255 to [0, 1] and other types are not"
                )
            if inputs[name].shape[1:] != inputs[first].shape[1:]:
                raise DataError(
                    f"{self.path}: an example of {name} has shape {inputs[name].shape[1:]}, one of "
                    f"{first} {inputs[first].shape[1:]}: they must agree"
                )
        for name, values in inputs.items():
            check_channels(values.shape[1:], f"{self.path}: {name}")
            if values.dtype == np.uint8 and values.size and values.max() < _BRIGHT:
                raise DataError(
                    f"{self.path}: {name} is uint8 with values up to {values.max()}, but uint8 is "
                    f"scaled from 0 .. 255: save bits as bool, and any other scale as floats"
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


def _kind(values: Array) -> str:
    """How the inputs are scaled: bytes, floats of any size, booleans."""
    return values.dtype.kind
