"""Counter-based random numbers in tensor arithmetic, for devices where NumPy cannot draw.

Philox4x32-10: a block of four 32-bit words is a function of a key and a counter. Each replica has
its own key, and all replicas are drawn by the same operations.
Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011), SC'11.
"""

import math
from importlib.util import find_spec

import torch
from torch import Tensor

_ROUNDS = 10
_MASK = 2**32 - 1
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """A block of four words for a counter of four words and a key of two words.

    Words are int64 tensors with values 0 .. 2^32 - 1; their shapes are broadcast.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # int64 products wrap at 2^64. Their 64 bits are those of the unsigned product.
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (second >> 32 & _MASK) ^ c1 ^ k0,
            second & _MASK,
            (first >> 32 & _MASK) ^ c3 ^ k1,
            first & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def words(keys: Tensor, position: Tensor, count: int) -> Tensor:
    """The next `count` words of every stream, [R, count] as int64.

    keys      key of each stream, [R, 2] as int64
    position  number of the first block, an int64 tensor on the same device: one for all streams,
              or one each, [R, 1]
    """
    index = position + torch.arange(-(-count // 4), device=keys.device)
    zero = torch.zeros_like(index)
    low, high = (keys[:, part].unsqueeze(1) for part in (0, 1))
    block = philox((index & _MASK, index >> 32, zero, zero), (low, high))
    return torch.stack(block, -1).flatten(1)[:, :count]


def blocks_of(count: int, dtype: torch.dtype) -> int:
    """Number of blocks that `count` uniforms of that dtype use up."""
    return -(-count * (2 if dtype == torch.float64 else 1) // 4)


def uniforms(keys: Tensor, position: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """Uniforms on [0, 1), [R, count], multiples of 2^-53 in float64 and of 2^-24 otherwise."""
    if dtype == torch.float64:
        first, second = words(keys, position, 2 * count).unflatten(1, (count, 2)).unbind(-1)
        return ((first >> 5) * 2**26 + (second >> 6)).to(dtype) * 2**-53
    if keys.is_cuda and find_spec("triton"):
        # Tensor arithmetic would take a hundred kernels, each a pass over 64-bit numbers.
        # Imported here because Triton exists only beside torch for CUDA.
        from bnrun.kernels.philox_cuda import uniforms as fused_uniforms

        return fused_uniforms(keys, position, count).to(dtype)
    return ((words(keys, position, count) >> 8).float() * 2**-24).to(dtype)


def normals(keys: Tensor, position: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """Standard normals, [R, count], each from two uniforms (Box, Muller, 1958)."""
    pairs = uniforms(keys, position, 2 * count, dtype).unflatten(1, (count, 2))
    # 1 - u lies in (0, 1], where the logarithm is finite.
    radius = (-2 * torch.log1p(-pairs[..., 0])).sqrt()
    return radius * torch.cos(2 * math.pi * pairs[..., 1])
