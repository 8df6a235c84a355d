"""Equality to the bit, of anything that a checkpoint holds."""

import struct

import torch


def same(first: object, second: object) -> bool:
    """Whether two nested states are equal; NaN equals NaN of the same bits."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(
            *(part.reshape(-1).contiguous().view(torch.uint8) for part in (first, second))
        )
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return struct.pack("d", first) == struct.pack("d", second)
    return first == second
