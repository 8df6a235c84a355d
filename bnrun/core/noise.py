"""Per-replica random streams: every replica draws from its seed alone."""

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bnrun.kernels.philox import blocks_of, normals, uniforms


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator that depends on the seed and the purpose only, e.g. stream(3, "order", epoch)."""
    key = [word if isinstance(word, int) else zlib.crc32(word.encode()) for word in purpose]
    # SFC64 fills float32 faster than torch's generator and than NumPy's Philox.
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


# Uniforms per replica from which drawing whole words pays.
BULK = 4096
# Numbers per replica from which threads pay: two take .6 of the time of one, evaluations have more.
LARGE = 200_000


def _float32_uniforms(generator: np.random.Generator, out: NDArray[np.float32]) -> None:
    """What generator.random(dtype=float32, out=out) gives for an even count, in .6 of its time."""
    halves = generator.bit_generator.random_raw(out.size // 2).view(np.uint32)
    halves >>= np.uint32(8)
    # As int32, which a processor without AVX-512 converts faster than uint32.
    flat = out.reshape(-1)
    flat[...] = halves.view(np.int32)
    flat *= np.float32(2**-24)


class Noise:
    """Source of uniforms and normals with one independent stream per replica.

    seeds     one non-negative integer per replica (R of them)
    purpose   streams of different purposes are independent, e.g. ("evaluation", step)

    Replica r of Noise([3, 7]) draws the numbers that Noise([7]) draws, whatever R is. For logits on
    another device than the CPU all is drawn there, from other streams of the same seeds.
    """

    def __init__(self, seeds: Sequence[int], *purpose: str | int) -> None:
        self.seeds = tuple(seeds)
        self._streams = [stream(seed, *(purpose or ("noise",))) for seed in self.seeds]
        # Whether no stream can have half a word left over from float32 numbers drawn before.
        self._whole_words = True
        self._purpose = purpose or ("noise",)
        # Of the streams on another device: their keys, [R, 2], and the next block, both there.
        self._there: tuple[Tensor, Tensor] | None = None
        self._position = 0

    def uniform(self, like: Tensor) -> Tensor:
        """Uniforms on [0, 1) with shape, dtype and device of `like`, [*S, R, B, U]."""
        if like.device.type != "cpu":
            return self._drawn_there(like, uniforms, 1)
        count = like.numel() // len(self.seeds)
        self._whole_words &= count % 2 == 0 or like.dtype == torch.float64
        if self._whole_words and count >= BULK and like.dtype != torch.float64:
            return self._fill(like, _float32_uniforms)
        return self._fill(like, lambda generator, out: generator.random(dtype=out.dtype, out=out))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normals with shape, dtype and device of `like`, [*S, R, B, U]."""
        if like.device.type != "cpu":
            return self._drawn_there(like, normals, 2)
        self._whole_words &= like.dtype == torch.float64
        return self._fill(
            like, lambda generator, out: generator.standard_normal(dtype=out.dtype, out=out)
        )

    def state_dict(self) -> dict[str, Any]:
        """The position of every stream, as plain integers."""
        states = [generator.bit_generator.state for generator in self._streams]
        return {
            "seeds": list(self.seeds),
            "position": self._position if self._there is None else int(self._there[1]),
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
        """Go on from `state_dict()`. Raises ValueError if it belongs to other seeds."""
        if list(state["seeds"]) != list(self.seeds):
            raise ValueError(f"noise of seeds {state['seeds']} cannot serve seeds {self.seeds}")
        for generator, saved in zip(self._streams, state["streams"], strict=True):
            generator.bit_generator.state = {
                "bit_generator": "SFC64",
                "state": {"state": np.array(saved["state"], dtype=np.uint64)},
                "has_uint32": saved["has_uint32"],
                "uinteger": saved["uinteger"],
            }
        self._position = state["position"]
        if self._there is not None:
            self._there[1].fill_(self._position)
        self._whole_words = not any(saved["has_uint32"] for saved in state["streams"])

    def _fill(self, like: Tensor, draw: Any) -> Tensor:
        *samples, replicas, examples, units = self._checked(like)
        dtype = like.dtype if like.dtype == torch.float64 else torch.float32
        buffer = torch.empty(replicas, *samples, examples, units, dtype=dtype)
        if like.numel() >= LARGE * replicas:
            with ThreadPoolExecutor(torch.get_num_threads()) as threads:
                list(threads.map(draw, self._streams, buffer.numpy()))
        else:
            for generator, block in zip(self._streams, buffer.numpy(), strict=True):
                draw(generator, block)
        drawn = buffer.movedim(0, -3) if samples else buffer
        return drawn.to(like.dtype)

    def _drawn_there(self, like: Tensor, draw: Any, uniforms_each: int) -> Tensor:
        """One program for all replicas, without a copy between devices."""
        *samples, replicas, examples, units = self._checked(like)
        keys, position = self._streams_on(like.device)
        count = like.numel() // replicas
        drawn = draw(keys, position, count, like.dtype)
        # In place, so that a captured step draws on with every replay.
        position += blocks_of(count * uniforms_each, like.dtype)
        return drawn.view(replicas, *samples, examples, units).movedim(0, -3)

    def _streams_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if self._there is None:
            drawn = [stream(s, *self._purpose, "philox") for s in self.seeds]
            words = np.stack([generator.integers(2**32, size=2) for generator in drawn])
            self._there = torch.from_numpy(words), torch.tensor(self._position)
        keys, position = self._there
        if keys.device != device:
            self._there = keys.to(device), position.to(device)
        return self._there

    def _checked(self, like: Tensor) -> torch.Size:
        replicas = like.shape[-3]
        if replicas != len(self.seeds):
            raise ValueError(
                f"logits have {replicas} replicas on axis -3, the noise has {len(self.seeds)} "
                f"seeds: make Noise(seeds=...) with one seed per replica"
            )
        return like.shape
