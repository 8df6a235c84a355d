"""Philox in tensor arithmetic: published vectors, and streams independent of each other."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from scipy import stats

from bnrun.core.noise import Noise
from bnrun.kernels import philox

# Known answers from the authors' library, Random123, for philox4x32 with 10 rounds.
VECTORS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([2**32 - 1] * 4, [2**32 - 1] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
KEYS = torch.tensor([[1, 2], [3, 4], [5, 6]])
ZERO, SEVEN = torch.tensor(0), torch.tensor(7)


@pytest.mark.parametrize(("counter", "key", "answer"), VECTORS)
def test_philox_gives_the_published_words(counter, key, answer):
    words = philox.philox(tuple(map(torch.tensor, counter)), tuple(map(torch.tensor, key)))
    assert [int(word) for word in words] == answer


@pytest.mark.parametrize("draw", [philox.uniforms, philox.normals])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_stream_depends_on_its_key_and_position_only(draw, dtype):
    together = draw(KEYS, SEVEN, 1001, dtype)
    for replica in range(3):
        (alone,) = draw(KEYS[replica : replica + 1], SEVEN, 1001, dtype)
        assert torch.equal(alone, together[replica])
    blocks = philox.blocks_of(400 * (2 if draw is philox.normals else 1), dtype)
    assert torch.equal(draw(KEYS, SEVEN + blocks, 601, dtype), together[:, 400:])
    assert not torch.equal(draw(KEYS, SEVEN - 1, 1001, dtype), together)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_philox_numbers_follow_their_distribution(dtype):
    uniforms = philox.uniforms(KEYS, ZERO, 100_000, dtype)
    assert uniforms.dtype == dtype
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    for row in uniforms:
        assert stats.kstest(row.numpy(), "uniform").pvalue > 0.01
    for row in philox.normals(KEYS, ZERO, 100_000, dtype):
        assert stats.kstest(row.numpy(), "norm").pvalue > 0.01
    # The standard error of a correlation of 100,000 pairs is .003.
    assert (torch.corrcoef(uniforms) - torch.eye(3, dtype=dtype)).abs().max() < 0.015


def test_noise_on_a_device_continues_from_its_position():
    like = torch.empty(2, 3, 5, 7)
    noise = Noise([3, 7, 11])
    drawn = [noise._draw_on_device(like, philox.uniforms, 1) for _ in range(2)]
    assert not torch.equal(*drawn)
    restored = Noise([3, 7, 11])
    restored.load_state_dict(noise.state_dict())
    third = noise._draw_on_device(like, philox.uniforms, 1)
    assert torch.equal(restored._draw_on_device(like, philox.uniforms, 1), third)
    alone = Noise([7])
    for both in (*drawn, third):
        assert torch.equal(alone._draw_on_device(like[:, :1], philox.uniforms, 1)[:, 0], both[:, 1])


def test_replicas_that_draw_in_turn_on_a_device_draw_what_they_draw_together():
    like = torch.empty(2, 3, 5)
    together, apart = Noise([3, 7]), Noise([3, 7])
    for draw, each in ((philox.uniforms, 1), (philox.normals, 2), (philox.uniforms, 1)):
        both = together._draw_on_device(like, draw, each)
        parts = [apart.replica(r)._draw_on_device(like[:1], draw, each) for r in range(2)]
        assert torch.equal(torch.cat(parts), both)
    assert apart.state_dict() == together.state_dict()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_noise_on_a_gpu_depends_on_each_seed_only_and_is_restored():
    like = torch.empty(2, 3, 50, 20, device="cuda")
    together = Noise([3, 7, 11])
    first, second = together.uniform(like), together.normal(like)
    for replica, seed in enumerate([3, 7, 11]):
        alone = Noise([seed])
        assert torch.equal(alone.uniform(like[:, :1])[:, 0], first[:, replica])
        assert torch.equal(alone.normal(like[:, :1])[:, 0], second[:, replica])
    restored = Noise([3, 7, 11])
    restored.load_state_dict(together.state_dict())
    assert torch.equal(restored.uniform(like), together.uniform(like))


BLOCKS = [0, 7, 2**32 - 3, 2**40 + 5]
COUNTS = [1, 7, 1001, 4096]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("count", COUNTS)
def test_the_kernel_draws_the_same_numbers_as_tensor_arithmetic(block, count):
    keys = KEYS.cuda()
    position = block + torch.arange(len(keys), device="cuda").unsqueeze(1) * 5
    drawn = philox.uniforms(keys, position, count, torch.float32)
    assert torch.equal(drawn.cpu(), philox.uniforms(KEYS, position.cpu(), count, torch.float32))


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_the_kernel_in_tritons_interpreter_draws_the_same_numbers_as_tensor_arithmetic():
    """In a separate process, because Triton decides on import whether it interprets."""
    code = f"""
import torch
from bnrun.kernels import philox, philox_cuda
keys = torch.tensor({KEYS.tolist()})
for block in {BLOCKS}:
    for count in {COUNTS}:
        one = torch.tensor(block)
        for position in (one, one + 5 * torch.arange(len(keys)).unsqueeze(1)):
            drawn = philox_cuda.uniforms(keys, position, count)
            assert torch.equal(drawn, philox.uniforms(keys, position, count, torch.float32))
"""
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
