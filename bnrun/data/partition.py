"""Cutting one set of examples into splits, by a seed alone."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bnrun.core.noise import stream

Indices = npt.NDArray[np.int64]


def partition(targets: Indices, sizes: Sequence[int], seed: int) -> list[Indices]:
    """Disjoint random index sets of the given sizes, then one with all the rest.

    targets [N] integers. In every set each class has its share of the whole, to about one
    example. The same targets, sizes and seed give the same sets on every machine.
    """
    order = stream(seed, "partition").permutation(len(targets))
    # The i-th of a class's n examples goes to place (i + 1/2) / n of the whole: every stretch of
    # that sequence then holds the classes in proportion.
    place = np.empty(len(targets))
    for target in np.unique(targets):
        members = targets[order] == target
        count = np.count_nonzero(members)
        place[members] = (np.arange(count) + 0.5) / count
    spread = order[np.argsort(place, kind="stable")]
    return [part.astype(np.int64) for part in np.split(spread, np.cumsum(sizes))]
