"""The checks that all data pass, wherever they come from: files, your datasets, tasks.

Wrong data often train without an error: pixels of 0 to 255 beside pixels of 0 to 1, a label that is
off by one. Every function here raises DataError, whose message names the source, the array, the
index and the value. An array is named by its split, as in a file: "test_inputs".
"""

from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from bnrun.data.errors import DataError

if TYPE_CHECKING:
    from bnrun.data.base import Data, Split

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

_ROWS = 64
"""Examples of a split that are compared with those of the training split."""
_FACTOR, _WIDE_FACTOR = 16.0, 64.0
"""Magnitudes of two splits may differ by it; the second one if there are fewer than _FEW values.

Bytes read as floats are off by 255.
"""
_FEW = 8
_ENOUGH = 32
"""Examples with which the range of a split is known: if all examples come from one distribution,
a third of a feature lies outside the range of 32 others once in 25,000 cases."""


def check_data(data: "Data") -> None:
    """Raises DataError unless all three splits hold numbers that a net can be trained on."""
    source = f"dataset={data.name}"
    _check_description(data, source)
    for name, split in data.splits.items():
        _check_arrays(split, name, source)
        if split.inputs.shape[1:] != data.shape:
            raise DataError(
                f"{source}: an example of {name}_inputs has shape {tuple(split.inputs.shape[1:])}, "
                f"but the dataset's shape is {data.shape}: they must agree"
            )
        if data.classes:
            _check_class_type(split.targets, f"{source}: {name}_targets")
    check_values(data.splits, data.classes, source)


def check_values(splits: "dict[str, Split]", classes: int, source: str) -> None:
    """Check the numbers themselves: finite, of one scale in all splits, and classes in range.

    classes  targets are below it; 0 if the examples have no class
    """
    samples = {}
    for name, (inputs, targets) in splits.items():
        bounds = _finite_bounds(inputs, f"{source}: {name}_inputs")
        samples[name] = _Sample(*bounds, len(inputs), _spread(inputs))
        if classes:
            check_classes(targets, classes, f"{source}: {name}_targets")
        elif targets.is_floating_point():
            _finite_bounds(targets, f"{source}: {name}_targets")
    for name, sample in samples.items():
        if name != "train":
            _check_scale({"train": samples["train"], name: sample}, source)


def check_classes(targets: Tensor, classes: int, place: str) -> None:
    """Check that targets [N] are within 0 to classes - 1."""
    outside = (targets < 0) | (targets >= classes)
    if outside.any():
        index = int(outside.nonzero()[0])
        raise DataError(
            f"{place}[{index}] is {int(targets[index])}, but targets must be within 0 .. "
            f"{classes - 1} for {classes} classes: number the classes from 0, or give their number "
            f"(dataset.classes)"
        )


def check_no_empty_class(targets: Tensor, place: str) -> None:
    """Check that every class up to the largest target [N] has an example."""
    largest = int(targets.argmax())
    if targets[largest] >= len(targets):
        raise DataError(
            f"{place}[{largest}] is {int(targets[largest])}, but {len(targets)} examples cannot "
            f"have so many classes: number the classes from 0 without gaps"
        )
    present = targets.unique()
    absent = (present != torch.arange(len(present))).nonzero()
    if len(absent):
        number = int(absent[0])
        raise DataError(
            f"{place} has no example of class {number}, but targets up to {int(present[-1])}: "
            f"number the classes from 0 without gaps, or set dataset.classes={int(present[-1]) + 1}"
            f" if the class is meant to be empty"
        )


def check_channels(shape: tuple[int, ...], place: str) -> None:
    """Check that images (C, H, W) are not (H, W, C)."""
    if len(shape) == 3 and shape[2] <= 4 < min(shape[:2]):
        raise DataError(
            f"{place} has examples of shape {shape}, which looks like (height, width, channels): "
            f"put channels first, e.g. by permute(0, 3, 1, 2), or by transpose(0, 3, 1, 2) in NumPy"
        )


def _check_description(data: "Data", source: str) -> None:
    shape, classes = data.shape, data.classes
    whole = isinstance(shape, tuple) and all(isinstance(side, Integral) for side in shape)
    if not whole or len(shape) not in (1, 3) or min(shape) < 1:
        raise DataError(
            f"{source}: shape is {shape!r}, but must be the tuple (features,), or (channels, "
            f"height, width) of an image; grey images have one channel, inputs.unsqueeze(1)"
        )
    if not isinstance(classes, Integral) or isinstance(classes, bool) or classes < 0:
        raise DataError(
            f"{source}: classes is {classes!r}, but must be the number of classes, or 0 if the "
            f"examples have none"
        )
    check_channels(shape, f"{source}: inputs")


def _check_arrays(split: "Split", name: str, source: str) -> None:
    if not (hasattr(split, "inputs") and hasattr(split, "targets")):
        raise DataError(
            f"{source}: {name} is a {type(split).__name__}, but must be a "
            f"bnrun.data.base.Split(inputs, targets)"
        )
    for array, values in (("inputs", split.inputs), ("targets", split.targets)):
        place = f"{source}: {name}_{array}"
        if not isinstance(values, Tensor):
            raise DataError(
                f"{place} is a {type(values).__name__}, but must be a tensor: use "
                f"torch.as_tensor({array})"
            )
        if values.layout != torch.strided or values.is_meta or values.dim() == 0:
            raise DataError(f"{place} must be a dense tensor with one row per example")
        if values.requires_grad:
            raise DataError(f"{place} has requires_grad=True: use {array}.detach()")
        if values.is_complex():
            raise DataError(f"{place} is {values.dtype}, but must be real numbers")
    inputs, targets = split.inputs, split.targets
    if inputs.dtype not in FLOATS:
        raise DataError(
            f"{source}: {name}_inputs is {inputs.dtype}, but must be floats: use inputs.float(), "
            f"divided by 255 for the pixels of images"
        )
    if len(inputs) != len(targets) or len(inputs) == 0:
        raise DataError(
            f"{source}: {name}_inputs has {len(inputs)} examples and {name}_targets "
            f"{len(targets)}: there must be equally many, and at least one"
        )


def _check_class_type(targets: Tensor, place: str) -> None:
    if targets.dtype != torch.int64 or targets.dim() != 1:
        raise DataError(
            f"{place} is {targets.dtype} of shape {tuple(targets.shape)}, but must hold one class "
            f"per example, int64 of shape [N]: use targets.long()"
        )


def _finite_bounds(values: Tensor, place: str) -> tuple[float, float]:
    """The smallest and the largest value, after checking that both are finite."""
    # One pass: a NaN is both the smallest and the largest value.
    bounds = torch.stack(values.aminmax()).to(torch.get_default_dtype())
    if not bounds.isfinite().all():
        index = (~values.to(bounds.dtype).isfinite()).nonzero()[0].tolist()
        raise DataError(
            f"{place}{index} is {values[tuple(index)].item()}, which is not finite in "
            f"{bounds.dtype}: remove such examples, or replace their values"
        )
    low, high = bounds.tolist()
    return low, high


class _Sample(NamedTuple):
    """The range of a split's inputs, its number of examples, and some of them, [n, features]."""

    low: float
    high: float
    examples: int
    values: Tensor

    def outside(self, other: "_Sample") -> float:
        """Share of the values that lie outside the range of another split."""
        outside = (self.values < other.low) | (self.values > other.high)
        return outside.float().mean().item()

    @property
    def magnitudes(self) -> Tensor:
        """Median of |value| where it is not zero, per feature; NaN for a feature that is zero.

        Medians, because a few outliers should not look like another scale.
        """
        size = self.values.abs()
        return size.where(size > 0, torch.nan).nanmedian(0).values


def _spread(inputs: Tensor) -> Tensor:
    """A few examples, evenly spaced, flattened, [n, features]."""
    rows = torch.arange(min(_ROWS, len(inputs)), device=inputs.device)
    rows = rows * len(inputs) // len(rows)
    return inputs.index_select(0, rows).flatten(1).to(torch.get_default_dtype())


def _check_scale(pair: dict[str, _Sample], source: str) -> None:
    """Check that two splits seem to be scaled alike."""
    first, second = pair
    for one, other in ((first, second), (second, first)):
        share = pair[one].outside(pair[other])
        if share > 1 / 3 and min(sample.examples for sample in pair.values()) >= _ENOUGH:
            raise DataError(
                f"{source}: {share:.0%} of {one}_inputs lie outside the range of {other}_inputs, "
                f"{pair[other].low:g} .. {pair[other].high:g}: scale all splits alike"
            )
    ratio = (pair[second].magnitudes / pair[first].magnitudes).nanmedian().item()
    few = min(sample.values.numel() for sample in pair.values()) < _FEW
    factor = _WIDE_FACTOR if few else _FACTOR
    if ratio > factor or ratio < 1 / factor:
        values = [f"{name}_inputs {s.low:g} .. {s.high:g}" for name, s in pair.items()]
        raise DataError(
            f"{source}: {second}_inputs are {ratio:.3g} times as large as {first}_inputs "
            f"({', '.join(values)}): scale all splits alike"
        )
