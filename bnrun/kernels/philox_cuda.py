"""The uniforms of bnrun.kernels.philox in one kernel: the same words, straight into floats.

It wants Triton, which comes with torch for CUDA on Linux.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

# Blocks of four words that one program draws.
_BLOCKS = 256


@triton.jit
def _store(out, index, count, words):  # type: ignore[no-untyped-def]  # Triton's, not Python's
    uniforms = (words >> 8).to(tl.float32) * (1 / 16777216)  # 2^-24
    tl.store(out + index, uniforms, mask=index < count)


@triton.jit  # type: ignore[untyped-decorator]  # Triton has no types
def _fill(keys, position, out, count, blocks: tl.constexpr):  # type: ignore[no-untyped-def]  # as above
    replica = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0).to(tl.int64) * blocks + tl.arange(0, blocks)
    counter = tl.load(position) + place
    key = tl.load(keys + 2 * replica) | (tl.load(keys + 2 * replica + 1) << 32)
    zero = tl.zeros([blocks], tl.uint32)
    low, high = counter.to(tl.uint32), (counter >> 32).to(tl.uint32)
    first, second, third, fourth = tl.philox(key, low, high, zero, zero, 10)
    own = out + replica * count
    _store(own, 4 * place, count, first)
    _store(own, 4 * place + 1, count, second)
    _store(own, 4 * place + 2, count, third)
    _store(own, 4 * place + 3, count, fourth)


def uniforms(keys: Tensor, position: Tensor, count: int) -> Tensor:
    """Float32 uniforms on [0, 1), [R, count].

    keys      [R, 2], words of the key of each stream, int64
    position  first block, int64; read on the device, so that a captured step draws on from there
    """
    out = torch.empty(len(keys), count, device=keys.device, dtype=torch.float32)
    programs = triton.cdiv(count, 4 * _BLOCKS), len(keys)
    fill: Any = _fill
    fill[programs](keys, position, out, count, blocks=_BLOCKS)
    return out
