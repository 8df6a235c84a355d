"""Noise: one independent stream per replica, whatever the other replicas are."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from bnrun.core.noise import Noise, stream

LIKE = torch.empty(4, 3, 50, 20)


def test_a_replica_draws_the_same_numbers_as_its_seed_alone():
    together = Noise([3, 7, 11])
    first, second = together.uniform(LIKE), together.normal(LIKE)
    for replica, seed in enumerate([3, 7, 11]):
        alone = Noise([seed])
        assert torch.equal(alone.uniform(LIKE[:, :1])[:, 0], first[:, replica])
        assert torch.equal(alone.normal(LIKE[:, :1])[:, 0], second[:, replica])


def test_streams_of_different_seeds_and_purposes_are_independent():
    shape = (1, 1, 100, 100)
    draws = [
        Noise([seed], *purpose).uniform(torch.empty(shape)).flatten().numpy()
        for seed in (0, 1)
        for purpose in ((), ("evaluation",), ("evaluation", 1), ("probe", 1))
    ]
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    # The standard error of a correlation of 10,000 pairs is .01.
    assert np.abs(correlation).max() < 0.045


def test_a_purpose_determines_the_draws():
    assert torch.equal(
        Noise([5], "probe", 2).uniform(LIKE[:, :1]), Noise([5], "probe", 2).uniform(LIKE[:, :1])
    )
    assert stream(3, "order", 1).random() == stream(3, "order", 1).random()
    assert stream(3, "order", 1).random() != stream(3, "order", 2).random()
    assert stream(3, "order").random() != stream(3, "weights").random()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(2, 5, 4), (3, 2, 5, 4), (6, 3, 2, 5, 4)])
def test_draws_have_the_shape_and_dtype_of_the_logits(shape, dtype):
    logits = torch.empty(shape, dtype=dtype)
    for draw in (Noise([0, 1]).uniform, Noise([0, 1]).normal):
        assert draw(logits).shape == shape
        assert draw(logits).dtype == dtype


def test_draws_do_not_depend_on_the_strides_of_the_logits():
    permuted = torch.empty(20, 50, 1).permute(2, 1, 0)
    assert torch.equal(Noise([0]).uniform(permuted), Noise([0]).uniform(permuted.contiguous()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniforms_and_normals_follow_their_distribution(dtype):
    like = torch.empty(1, 500, 400, dtype=dtype)
    uniforms = Noise([0]).uniform(like).flatten().numpy()
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    assert stats.kstest(uniforms, "uniform").pvalue > 0.01
    assert stats.kstest(Noise([0]).normal(like).flatten().numpy(), "norm").pvalue > 0.01


def test_successive_draws_differ():
    noise = Noise([0, 1, 2])
    assert not torch.equal(noise.uniform(LIKE), noise.uniform(LIKE))


def test_samples_within_a_replica_are_independent():
    draws = Noise([0]).uniform(torch.empty(10, 1, 100, 100)).flatten(1).numpy()
    assert np.abs(np.corrcoef(draws) - np.eye(10)).max() < 0.045


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_restored_noise_continues_from_the_saved_position(dtype):
    noise = Noise([3, 7], "training")
    # An odd number of float32 draws leaves half of a 64-bit word behind.
    odd = torch.empty(2, 1, 3, dtype=dtype)
    noise.uniform(odd)
    restored = Noise([3, 7], "training")
    restored.load_state_dict(noise.state_dict())
    for _ in range(3):
        assert torch.equal(noise.uniform(odd), restored.uniform(odd))
        assert torch.equal(noise.normal(odd), restored.normal(odd))


def test_the_state_of_other_seeds_is_rejected():
    with pytest.raises(ValueError, match=r"seeds \[1, 2\], but the noise has seeds \[1, 3\]"):
        Noise([1, 3]).load_state_dict(Noise([1, 2]).state_dict())


def test_another_number_of_replicas_is_rejected_with_advice():
    with pytest.raises(ValueError, match=r"3 replicas on axis -3, .* 2 seeds: create Noise"):
        Noise([0, 1]).uniform(LIKE)


def test_the_uniforms_have_the_resolution_of_their_dtype():
    uniforms = Noise([0]).uniform(torch.empty(1, 1, 1000))
    assert torch.equal(uniforms * 2**24, (uniforms * 2**24).floor())
    doubles = Noise([0]).uniform(torch.empty(1, 1, 1000).double())
    assert not torch.equal(doubles.float().double(), doubles)
    assert math.isclose(doubles.mean().item(), 0.5, abs_tol=0.05)


@pytest.mark.parametrize("shape", [(1, 100, 200), (3, 1, 50, 30), (1, 3, 1501), (1, 2, 3)])
def test_float32_uniforms_are_numpys_however_they_are_drawn(shape):
    like, numpys, noise = torch.empty(shape), stream(5, "noise"), Noise([5])
    # The odd shape leaves half a word, with which the next draw must begin.
    for _ in range(3):
        expected = torch.from_numpy(numpys.random(shape, dtype=np.float32))
        assert torch.equal(noise.uniform(like).flatten(), expected.flatten())
    restored = Noise([5])
    restored.load_state_dict(noise.state_dict())
    even = torch.empty(1, 100, 200)
    expected = torch.from_numpy(numpys.random(even.shape, dtype=np.float32))
    assert torch.equal(noise.uniform(even), expected)
    assert torch.equal(restored.uniform(even), expected)


def test_large_draws_of_replicas_equal_those_of_their_seeds_alone():
    seeds, count = [3, 7, 11], 200_000
    shape = (3, 1, count)
    noise = Noise(seeds)
    for _ in range(2):
        uniforms, normals = noise.uniform(torch.empty(shape)), noise.normal(torch.empty(shape))
    for replica, seed in enumerate(seeds):
        alone = stream(seed, "noise")
        for _ in range(2):
            expected = alone.random(count, np.float32), alone.standard_normal(count, np.float32)
        assert np.array_equal(uniforms[replica, 0], expected[0])
        assert np.array_equal(normals[replica, 0], expected[1])


def test_uniforms_after_normals_continue_the_same_stream():
    like, numpys, noise = torch.empty(1, 100, 201), stream(5, "noise"), Noise([5])
    even = torch.empty(1, 100, 200)
    assert torch.equal(
        noise.normal(like)[0], torch.from_numpy(numpys.standard_normal((100, 201), np.float32))
    )
    for _ in range(2):
        expected = torch.from_numpy(numpys.random((100, 200), np.float32))
        assert torch.equal(noise.uniform(even)[0], expected)


@pytest.mark.parametrize("shape", [(2, 100, 100), (5, 2, 1, 3)])
def test_replicas_that_draw_in_turn_draw_what_they_draw_together(shape):
    together, apart = Noise([3, 7]), Noise([3, 7])
    one = torch.empty(*shape[:-3], 1, *shape[-2:])
    for draw in ("uniform", "normal", "uniform", "uniform"):
        both = getattr(together, draw)(torch.empty(shape))
        parts = [getattr(apart.replica(index), draw)(one) for index in range(2)]
        assert torch.equal(torch.cat(parts, -3), both)
    # What a replica draws is used up in the whole.
    assert apart.state_dict() == together.state_dict()
    assert torch.equal(apart.uniform(torch.empty(shape)), together.uniform(torch.empty(shape)))
    assert apart.replica(1).seeds == (7,)


def test_a_uniform_is_below_one_whatever_the_dtype_is_like():
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        uniforms = Noise([0]).uniform(torch.zeros(1, 1000, 400, dtype=dtype))
        assert uniforms.max() < 1
        assert uniforms.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("seeds", [np.arange(3), torch.arange(3), range(3), [np.int64(0), 1, 2]])
def test_seeds_of_any_kind_are_plain_integers(seeds, tmp_path):
    state = Noise(seeds, "purpose", np.int64(3)).state_dict()
    assert state["seeds"] == [0, 1, 2]
    assert all(type(seed) is int for seed in state["seeds"])
    torch.save(state, tmp_path / "state.pt")
    torch.load(tmp_path / "state.pt", weights_only=True)


@pytest.mark.parametrize("seeds", [[], 5, [-1], [1.5], ["a"], None])
def test_seeds_that_are_no_integers_are_refused_in_a_sentence(seeds):
    with pytest.raises(ValueError, match="seeds="):
        Noise(seeds)
