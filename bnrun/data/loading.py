"""Loading a dataset, with hashes by which a later change of its data is noticed."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from bnrun.data.base import Data, Dataset, as_data


def loaded(dataset: Dataset) -> Data:
    """The data of a dataset; if it gives no hashes, with those of its arrays.

    Raises DataError if the data are not what they should be.
    """
    data = as_data(dataset.load(), f"dataset {type(dataset).__name__}.load")
    return data if data.hashes else replace(data, hashes=dict(_hashes(data)))


def _hashes(data: Data) -> Iterator[tuple[str, str]]:
    for name, split in data.splits.items():
        for part, array in split._asdict().items():
            kind = f"{array.dtype} {list(array.shape)} "
            content = array.detach().cpu().contiguous().numpy().tobytes()
            yield f"{name}_{part}", hashlib.sha256(kind.encode() + content).hexdigest()
