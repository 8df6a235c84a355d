"""Random streams, one per replica, that depend on the replica's seed only."""

import zlib
from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bnrun.kernels.philox import blocks_of, normals, uniforms


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator that depends on the seed and the purpose only, e.g. stream(3, "order", epoch)."""
    key = [zlib.crc32(word.encode()) if isinstance(word, str) else index(word) for word in purpose]
    # SFC64 fills float32 arrays faster than torch's generator and NumPy's Philox.
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


BULK = 4096
"""Uniforms per replica from which drawing whole 64-bit words is faster."""


def draw_float32(generator: np.random.Generator, out: NDArray[np.float32]) -> None:
    """generator.random(dtype=float32, out=out) for an even count, in .6 of the time."""
    halves = generator.bit_generator.random_raw(out.size // 2).view(np.uint32)
    halves >>= np.uint32(8)
    # Processors without AVX-512 convert int32 to float faster than uint32.
    flat = out.reshape(-1)
    flat[...] = halves.view(np.int32)
    flat *= np.float32(2**-24)


def _integers(seeds: Sequence[int]) -> tuple[int, ...]:
    """Seeds as plain integers, which every checkpoint can hold."""
    try:
        found = tuple(index(seed) for seed in seeds)
    except TypeError:
        raise ValueError(
            f"seeds={seeds!r}: give a sequence of integers, one per replica, like Noise([0, 1, 2])"
        ) from None
    if not found or min(found) < 0:
        raise ValueError(f"seeds={list(found)}: give at least one seed, and none below 0")
    return found


class Noise:
    """Source of uniforms and normals with one independent stream per replica.

    seeds     one non-negative integer per replica (R of them)
    purpose   streams of different purposes are independent, e.g. ("evaluation", step)

    A replica draws the same numbers whatever the other seeds are: the second replica of
    Noise([3, 7]) draws those of Noise([7]). For tensors on another device the numbers are drawn on
    that device, from other streams of the same seeds.
    """

    def __init__(self, seeds: Sequence[int], *purpose: str | int) -> None:
        self.seeds = _integers(seeds)
        self._streams = [stream(seed, *(purpose or ("noise",))) for seed in self.seeds]
        # Whether every stream is at the start of a 64-bit word. An odd number of float32 numbers
        # leaves half a word, which NumPy uses for the next number. A list, to be shared.
        self._whole_words = [True]
        self._purpose = purpose or ("noise",)
        # Streams on another device: their keys [R, 2] and the numbers of their next blocks [R, 1].
        self._device_state: tuple[Tensor, Tensor] | None = None
        self._position = 0

    def replica(self, index: int) -> "Noise":
        """The stream of one replica alone; what it draws is used up here as well."""
        return _Replica(self, index)

    def uniform(self, like: Tensor) -> Tensor:
        """Uniforms on [0, 1) with shape and device of `like`, [*S, R, B, U].

        They are float64 for float64 and float32 for anything else: a uniform that is rounded to
        bfloat16 may be 1, and a unit with p = 1 would not fire.

        Under torch.func.vmap every element of the mapped axis has draws of its own.
        """
        if torch._C._are_functorch_transforms_active():
            return _drawn(like, self._uniform)
        return self._uniform(like)

    def _uniform(self, like: Tensor) -> Tensor:
        if like.device.type != "cpu":
            return self._draw_on_device(like, uniforms, 1)
        count = like.numel() // len(self.seeds)
        self._whole_words[0] &= count % 2 == 0 or like.dtype == torch.float64
        if self._whole_words[0] and count >= BULK and like.dtype != torch.float64:
            return self._fill(like, draw_float32)
        return self._fill(like, lambda generator, out: generator.random(dtype=out.dtype, out=out))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normals with shape and device of `like`, [*S, R, B, U]; dtypes as above."""
        if torch._C._are_functorch_transforms_active():
            return _drawn(like, self._normal)
        return self._normal(like)

    def _normal(self, like: Tensor) -> Tensor:
        if like.device.type != "cpu":
            return self._draw_on_device(like, normals, 2)
        self._whole_words[0] &= like.dtype == torch.float64
        return self._fill(
            like, lambda generator, out: generator.standard_normal(dtype=out.dtype, out=out)
        )

    def state_dict(self) -> dict[str, Any]:
        """The position of every stream as plain integers."""
        states = [generator.bit_generator.state for generator in self._streams]
        return {
            "seeds": list(self.seeds),
            "position": int(self._device_state[1][0]) if self._device_state else self._position,
            "streams": [
                {
                    "state": [int(word) for word in state["state"]["state"]],
                    "has_uint32": int(state["has_uint32"]),
                    "uinteger": int(state["uinteger"]),
                }
                for state in states
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`. Raises ValueError if its seeds are different."""
        if list(state["seeds"]) != list(self.seeds):
            raise ValueError(
                f"the state is of seeds {state['seeds']}, but the noise has seeds "
                f"{list(self.seeds)}"
            )
        for generator, saved in zip(self._streams, state["streams"], strict=True):
            generator.bit_generator.state = {
                "bit_generator": "SFC64",
                "state": {"state": np.array(saved["state"], dtype=np.uint64)},
                "has_uint32": saved["has_uint32"],
                "uinteger": saved["uinteger"],
            }
        self._position = state["position"]
        if self._device_state is not None:
            self._device_state[1].fill_(self._position)
        self._whole_words[0] = not any(saved["has_uint32"] for saved in state["streams"])

    def _fill(self, like: Tensor, draw: Any) -> Tensor:
        *samples, replicas, examples, units = self._checked_shape(like)
        dtype = _precision(like)
        buffer = torch.empty(replicas, *samples, examples, units, dtype=dtype)
        for generator, block in zip(self._streams, buffer.numpy(), strict=True):
            draw(generator, block)
        return buffer.movedim(0, -3) if samples else buffer

    def _draw_on_device(self, like: Tensor, draw: Any, uniforms_each: int) -> Tensor:
        """Draws for all replicas at once, without a copy between devices."""
        *samples, replicas, examples, units = self._checked_shape(like)
        keys, position = self._streams_on(like.device)
        count = like.numel() // replicas
        dtype = _precision(like)
        drawn = draw(keys, position, count, dtype)
        # In place, so that every replay of a captured step advances the position.
        position += blocks_of(count * uniforms_each, dtype)
        return drawn.view(replicas, *samples, examples, units).movedim(0, -3)

    def _streams_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if self._device_state is None:
            drawn = [stream(s, *self._purpose, "philox") for s in self.seeds]
            words = np.stack([generator.integers(2**32, size=2) for generator in drawn])
            self._device_state = (
                torch.from_numpy(words),
                torch.full((len(words), 1), self._position),
            )
        keys, position = self._device_state
        if keys.device != device:
            self._device_state = keys.to(device), position.to(device)
        return self._device_state

    def _checked_shape(self, like: Tensor) -> torch.Size:
        replicas = like.shape[-3]
        if replicas != len(self.seeds):
            raise ValueError(
                f"logits have {replicas} replicas on axis -3, but the noise has {len(self.seeds)} "
                f"seeds: create Noise(seeds=...) with one seed per replica"
            )
        return like.shape


class _Replica(Noise):
    """One stream of another source, whose state it shares."""

    def __init__(self, source: Noise, index: int) -> None:
        self.seeds = source.seeds[index : index + 1]
        self._streams = source._streams[index : index + 1]
        self._whole_words = source._whole_words
        self._source, self._index = source, index

    def _streams_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        keys, position = self._source._streams_on(device)
        return keys[self._index :][:1], position[self._index :][:1]


def _precision(like: Tensor) -> torch.dtype:
    return torch.float64 if like.dtype == torch.float64 else torch.float32


class _Drawn(torch.autograd.Function):
    """A draw under torch.func, which must not see the random streams."""

    @staticmethod
    def forward(like: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
        return draw(like)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, like: Tensor, draw: Any) -> tuple[Tensor, int]:
        # The mapped axis becomes one more sample axis.
        return _drawn(like.movedim(in_dims[0], 0), draw), 0


def _drawn(like: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
    drawn: Tensor = _Drawn.apply(like.detach(), draw)  # type: ignore[no-untyped-call]  # torch's own
    return drawn
