"""Holding examples out of a training set: the last ones, or random ones chosen by a seed alone."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from bnrun.core.noise import stream
from bnrun.data.base import Split
from bnrun.data.errors import DataError

Indices = npt.NDArray[np.int64]


def hold_out_last(examples: Split, validation: int) -> tuple[Split, Split]:
    """Return all but the last `validation` examples, for training, and these last ones.

    Raises DataError if no example is left for training.
    """
    _check(len(examples.targets), {"validation": validation})
    (inputs, targets), count = examples, len(examples.targets) - validation
    return Split(inputs[:count], targets[:count]), Split(inputs[count:], targets[count:])


def hold_out_random(examples: Split, sizes: Mapping[str, int], seed: int) -> dict[str, Split]:
    """Return random splits of the given sizes, and the rest as "train"; see `partition`.

    Raises DataError if no example is left for training.
    """
    _check(len(examples.targets), sizes)
    parts = partition(examples.targets.numpy(), list(sizes.values()), seed)
    names = [*sizes, "train"]
    return {
        name: examples.take(torch.from_numpy(rows)) for name, rows in zip(names, parts, strict=True)
    }


def _check(examples: int, sizes: Mapping[str, int]) -> None:
    if sum(sizes.values()) >= examples:
        options = " and ".join(f"dataset.{split}={size}" for split, size in sizes.items())
        raise DataError(
            f"no training examples would be left out of {examples} with {options}: choose fewer"
        )


def partition(targets: Indices, sizes: Sequence[int], seed: int) -> list[Indices]:
    """Return disjoint random index sets of the given sizes, then one with all the rest.

    targets [N] integers. Every set has each class in proportion, to within about one example. The
    same targets, sizes and seed give the same sets on every machine.
    """
    order = stream(seed, "partition").permutation(len(targets))
    # Of a class's n examples, the i-th goes to place (i + 1/2) / n of the whole: then every
    # stretch of the sequence has the classes in proportion.
    place = np.empty(len(targets))
    for target in np.unique(targets):
        members = targets[order] == target
        count = np.count_nonzero(members)
        place[members] = (np.arange(count) + 0.5) / count
    spread = order[np.argsort(place, kind="stable")]
    return [part.astype(np.int64) for part in np.split(spread, np.cumsum(sizes))]
