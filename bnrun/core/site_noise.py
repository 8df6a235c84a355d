"""Random numbers of a module: a function of its seed and of how often it was called.

They are drawn by an operator of torch's own kind, so that torch.compile sees no Python in it,
torch.func.vmap draws for every element of the mapped axis, and no global generator is touched.
"""

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from bnrun.core.noise import Noise, draw_float32, stream
from bnrun.kernels import philox

_CALL_BITS = 40
"""Blocks of four words that one call can draw on a device before it meets the next call's."""


def _dtype(like: Tensor) -> torch.dtype:
    return torch.float64 if like.dtype == torch.float64 else torch.float32


@torch.library.custom_op("bnrun::site_noise", mutates_args=())
def _site_noise(like: Tensor, state: Tensor, part: int, normal: bool) -> Tensor:
    if like.device.type != "cpu":
        position = (state[1] * 8 + part) << _CALL_BITS - 3
        keys = torch.stack([state[0] & 2**32 - 1, state[0] >> 32 & 2**32 - 1]).unsqueeze(0)
        draw = philox.normals if normal else philox.uniforms
        return draw(keys, position, like.numel(), _dtype(like)).view(like.shape)
    seed, call = state.tolist()
    generator = stream(seed, "site", call, part)
    out = np.empty(like.shape, np.float64 if like.dtype == torch.float64 else np.float32)
    if normal:
        generator.standard_normal(dtype=out.dtype.type, out=out)
    elif out.dtype == np.float32 and out.size % 2 == 0 and out.size:
        draw_float32(generator, out)
    else:
        generator.random(dtype=out.dtype.type, out=out)
    return torch.from_numpy(out)


@_site_noise.register_fake
def _(like: Tensor, state: Tensor, part: int, normal: bool) -> Tensor:
    return torch.empty(like.shape, dtype=_dtype(like), device=like.device)


@torch.library.register_vmap("bnrun::site_noise")  # type: ignore[untyped-decorator]  # torch's own
def _(info: Any, in_dims: Any, like: Tensor, state: Tensor, part: int, normal: bool) -> Any:
    # The mapped axis becomes one more sample axis. A state that is mapped, as that of an ensemble
    # of modules, gives every member its own numbers.
    if in_dims[1] is None:
        return _site_noise(like.movedim(in_dims[0], 0), state, part, normal), 0
    rows = state.movedim(in_dims[1], 0).unbind()
    alike = [like] * len(rows) if in_dims[0] is None else like.movedim(in_dims[0], 0).unbind()
    pairs = zip(alike, rows, strict=True)
    return torch.stack([_site_noise(one, row, part, normal) for one, row in pairs]), 0


class SiteNoise:
    """The random numbers of one call of a module, as a source for estimators and neurons.

    state  [2], int64: the seed, and the number of the call
    """

    def __init__(self, state: Tensor) -> None:
        self._state = state
        self._part = 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """The one seed."""
        return (int(self._state[0]),)

    def uniform(self, like: Tensor) -> Tensor:
        """Uniforms on [0, 1) of the shape and device of `like`, in float64 for float64 alone."""
        return self._draw(like, normal=False)

    def normal(self, like: Tensor) -> Tensor:
        """Standard normals, as `uniform`."""
        return self._draw(like, normal=True)

    def _draw(self, like: Tensor, normal: bool) -> Tensor:
        part, self._part = self._part, self._part + 1
        drawn: Tensor = _site_noise(like.detach(), self._state, part, normal)
        return drawn


def as_noise(source: SiteNoise) -> Noise:
    """For estimators and neurons, which call nothing of Noise but these methods."""
    return cast(Noise, source)
