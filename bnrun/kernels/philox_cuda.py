"""The uniforms of bnrun.kernels.philox in one Triton kernel, with the same numbers.

Triton comes with torch for CUDA on Linux.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCKS = 256
"""Blocks of four words that one program draws."""


@triton.jit
def _store(out, index, count, words):  # type: ignore[no-untyped-def]  # Triton has no types
    uniforms = (words >> 8).to(tl.float32) * (1 / 16777216)  # 2^-24
    tl.store(out + index, uniforms, mask=index < count)


@triton.jit  # type: ignore[untyped-decorator]  # Triton has no types
def _fill(keys, position, out, count, blocks: tl.constexpr):  # type: ignore[no-untyped-def]  # as above
    replica = tl.program_id(1).to(tl.int64)
    block = tl.program_id(0).to(tl.int64) * blocks + tl.arange(0, blocks)
    counter = tl.load(position + replica) + block
    key = tl.load(keys + 2 * replica) | (tl.load(keys + 2 * replica + 1) << 32)
    zero = tl.zeros([blocks], tl.uint32)
    low, high = counter.to(tl.uint32), (counter >> 32).to(tl.uint32)
    first, second, third, fourth = tl.philox(key, low, high, zero, zero, 10)
    row = out + replica * count
    _store(row, 4 * block, count, first)
    _store(row, 4 * block + 1, count, second)
    _store(row, 4 * block + 2, count, third)
    _store(row, 4 * block + 3, count, fourth)


def uniforms(keys: Tensor, position: Tensor, count: int) -> Tensor:
    """Float32 uniforms on [0, 1), [R, count].

    keys      key of each stream, [R, 2] as int64
    position  number of the first block, int64, one for all streams or one each. It is read on the
              device, so that every replay of a captured step draws new numbers
    """
    position = position.expand(len(keys), 1).contiguous()
    out = torch.empty(len(keys), count, device=keys.device, dtype=torch.float32)
    programs = triton.cdiv(count, 4 * _BLOCKS), len(keys)
    fill: Any = _fill
    fill[programs](keys, position, out, count, blocks=_BLOCKS)
    return out
