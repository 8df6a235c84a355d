"""Statistics of draws with a known distribution."""

import math

import pytest
import torch
from torch import Tensor

from bnrun.core.noise import stream
from bnrun.measurement import gradients

REFERENCE = torch.tensor([[3.0, -4.0, 0.0], [1.0, 2.0, 2.0]]).double()  # [G, P], norms 5 and 3


def draws(count: int, bias: Tensor | float = 0.0, spread: Tensor | float = 1.0) -> Tensor:
    """Normal draws around REFERENCE + bias, [count, 2, 3]."""
    noise = torch.from_numpy(stream(0, "draws").standard_normal((count, *REFERENCE.shape)))
    return REFERENCE + bias + spread * noise


def test_variance_is_the_trace_of_the_covariance():
    sample = draws(50)
    trace = [torch.cov(sample[:, group].T).trace() for group in (0, 1)]
    torch.testing.assert_close(gradients.variance(sample), torch.stack(trace))


def test_standard_error_is_the_deviation_of_the_mean_over_many_repetitions():
    means = torch.stack([chunk.mean(0) for chunk in draws(40_000).split(100)])
    expected = means.std(0)
    torch.testing.assert_close(gradients.standard_error(draws(100)), expected, rtol=0.25, atol=0)


def test_standard_error_of_few_draws_has_the_correction_of_the_sample_variance():
    sample = torch.tensor([[1.0, 5.0], [3.0, 5.5], [8.0, 4.0]]).double()
    numbers = sample.numpy()
    expected = numbers.std(0, ddof=1) / math.sqrt(3)
    assert gradients.standard_error(sample).tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    two = torch.tensor([[1.0], [4.0]]).double()
    assert gradients.standard_error(two).item() == pytest.approx(1.5, rel=1e-12)


def test_z_scores_of_unbiased_draws_are_standard_normal():
    chunks = draws(60_000).split(100)
    z = torch.stack([gradients.z_scores(chunk, REFERENCE) for chunk in chunks])
    assert z.mean().abs() < 0.06  # 3,600 of them, standard error 0.017
    assert (z.std() - 1).abs() < 0.05


def test_z_score_of_a_biased_draw_grows_with_the_root_of_the_count():
    bias = torch.tensor([0.5, 0.0, 0.0]).double()
    z = gradients.z_scores(draws(10_000, bias), REFERENCE)
    assert (z[:, 0] > 44).all()
    assert (z[:, 0] < 56).all()
    assert (z[:, 1:].abs() < 4).all()


def test_error_of_the_reference_widens_the_z_score():
    sample = draws(100, bias=0.3)
    error = torch.full_like(REFERENCE, 0.4)
    wide = gradients.z_scores(sample, REFERENCE, error)
    expected = (sample.mean(0) - REFERENCE) / (
        gradients.standard_error(sample).square() + 0.16
    ).sqrt()
    torch.testing.assert_close(wide, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_variance_rounding_is_not_a_bias_and_a_wrong_factor_is(dtype):
    exact = REFERENCE.to(dtype)
    rounded = (exact / 3 * 3 * (1 + torch.finfo(dtype).eps)).expand(10, -1, -1)
    assert gradients.z_scores(rounded, exact).abs().max() < 1
    assert gradients.bias_z(rounded, exact).abs().max() < 1
    wrong = (1.01 * exact).expand(10, -1, -1)
    assert (gradients.z_scores(wrong, exact).abs().amax(-1) > 100).all()
    assert (gradients.bias_z(wrong, exact) > 100).all()


def test_squared_bias_of_unbiased_draws_is_zero_on_average_but_the_raw_one_is_not():
    chunks = draws(40_000).split(10)
    debiased = torch.stack([gradients.squared_bias(chunk, REFERENCE) for chunk in chunks])
    raw = torch.stack([(chunk.mean(0) - REFERENCE).square().sum(-1) for chunk in chunks])
    assert debiased.mean().abs() < 0.012  # standard error 0.003
    assert raw.mean() > 0.28  # 3 coordinates of variance 1 over 10 draws


def test_squared_bias_subtracts_the_error_of_the_reference():
    sample, error = draws(100), torch.full_like(REFERENCE, 0.1)
    without = gradients.squared_bias(sample, REFERENCE)
    torch.testing.assert_close(gradients.squared_bias(sample, REFERENCE, error), without - 0.03)


def test_relative_bias_is_in_units_of_the_reference():
    bias = torch.tensor([[0.3, 0.4, 0.0], [0.0, 0.0, 0.6]]).double()
    relative = gradients.relative_bias(draws(100_000, bias), REFERENCE)
    torch.testing.assert_close(relative, torch.tensor([0.1, 0.2]).double(), rtol=0, atol=0.005)


@pytest.mark.parametrize(("count", "coordinates"), [(100, 5), (20, 300)])
def test_bias_z_of_unbiased_draws_has_mean_0_and_deviation_1(count, coordinates):
    spread = torch.linspace(0.1, 2, coordinates).double()
    sample = torch.from_numpy(stream(1, "z").standard_normal((count, 2000, coordinates))) * spread
    reference = torch.ones(coordinates).double()
    z = gradients.bias_z(sample + reference, reference.expand(2000, -1))
    assert z.mean().abs() < 0.1  # standard error 0.022
    assert (z.std() - 1).abs() < 0.15


@pytest.mark.parametrize("count", [2, 3, 7])
def test_bias_z_is_chen_and_qins_statistic_over_pairs_of_draws(count):
    sample = draws(count, bias=0.4)[:, 0]
    centred = sample - sample.mean(0)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    size = count * (count - 1)
    bias = sum((sample[i] - REFERENCE[0]) @ (sample[j] - REFERENCE[0]) for i, j in pairs) / size
    spread = 2 * sum((centred[i] @ centred[j]) ** 2 for i, j in pairs) / size**2
    z = gradients.bias_z(sample, REFERENCE[0])
    torch.testing.assert_close(z, bias / spread.sqrt(), rtol=1e-6, atol=0)


def test_bias_z_detects_a_bias_that_no_single_coordinate_shows():
    sample = 1 + torch.from_numpy(stream(2, "z").standard_normal((64, 5000)))
    reference = torch.full((5000,), 0.95).double()
    assert gradients.z_scores(sample, reference).abs().max() < 5
    assert gradients.bias_z(sample, reference) > 5


def test_bias_z_is_the_same_by_either_product():
    # Padding changes which product is smaller: D x D or P x P.
    padded = torch.cat([draws(4), torch.zeros(4, 2, 5).double()], -1)
    reference = torch.cat([REFERENCE, torch.zeros(2, 5).double()], -1)
    torch.testing.assert_close(
        gradients.bias_z(padded, reference), gradients.bias_z(draws(4), REFERENCE)
    )


def test_bias_z_of_many_draws_does_not_overflow():
    assert gradients.bias_z(draws(70_000), REFERENCE).isfinite().all()


def test_bias_z_with_an_uncertain_reference_stays_near_1():
    noise = torch.from_numpy(stream(3, "z").standard_normal((101, 4000, 5)))
    error = torch.full((4000, 5), 0.1).double()
    reference = 1 + error * noise[-1]
    z = gradients.bias_z(1 + noise[:-1], reference, error)
    assert z.mean().abs() < 0.08
    assert (z.std() - 1).abs() < 0.15


def test_mean_squared_error_is_squared_bias_plus_variance():
    sample = draws(30, bias=0.7)
    total = gradients.squared_bias(sample, REFERENCE) + gradients.variance(sample)
    torch.testing.assert_close(gradients.mean_squared_error(sample, REFERENCE), total)


def test_relative_rmse_falls_by_the_root_of_the_average_and_stops_at_the_bias():
    unbiased, biased = draws(50_000), draws(50_000, bias=2.0)
    one = gradients.relative_rmse(unbiased, REFERENCE)
    torch.testing.assert_close(
        gradients.relative_rmse(unbiased, REFERENCE, averaged=100), one / 10, rtol=0.05, atol=0
    )
    plateau = gradients.relative_rmse(biased, REFERENCE, averaged=10**6)
    torch.testing.assert_close(
        plateau, gradients.relative_bias(biased, REFERENCE), rtol=1e-4, atol=0
    )


def test_cosine_of_parallel_orthogonal_opposite_and_zero_gradients():
    first = torch.tensor([[2.0, 0.0], [1.0, 1.0], [1.0, 2.0], [0.0, 0.0]])
    second = torch.tensor([[5.0, 0.0], [1.0, -1.0], [-2.0, -4.0], [1.0, 1.0]])
    expected = torch.tensor([1.0, 0.0, -1.0, 0.0])
    torch.testing.assert_close(gradients.cosine(first, second), expected)


def test_cosine_band_contains_70_percent_of_the_draws():
    sample = draws(10_000)
    cosines = gradients.cosine(sample, REFERENCE.expand_as(sample))
    low, mean, high = gradients.cosine_band(sample, REFERENCE)
    inside = ((cosines > low) & (cosines < high)).double().mean(0)
    torch.testing.assert_close(inside, torch.full_like(inside, 0.7), rtol=0, atol=0.01)
    torch.testing.assert_close(mean, cosines.mean(0))


def test_signal_to_noise_is_the_squared_norm_over_the_variance():
    ratio = gradients.signal_to_noise(draws(50_000, spread=2.0), REFERENCE)
    torch.testing.assert_close(ratio, torch.tensor([25 / 12, 9 / 12]).double(), rtol=0.03, atol=0)


def test_signal_to_noise_without_noise_is_infinite():
    assert gradients.signal_to_noise(draws(10, spread=0.0), REFERENCE).tolist() == [math.inf] * 2


def test_sign_agreement_counts_coordinates_over_draws():
    reference = torch.tensor([1.0, -1.0, 0.0, 2.0])
    sample = torch.tensor([[3.0, -2.0, 0.0, 1.0], [1.0, 1.0, 1.0, -1.0]])
    assert gradients.sign_agreement(sample, reference) == (1.0 + 0.25) / 2


def test_scale_of_a_multiple_is_its_factor_whatever_the_orthogonal_part():
    orthogonal = torch.tensor([[4.0, 3.0, 7.0], [2.0, -1.0, 0.0]]).double()
    sample = (1.3 * REFERENCE + orthogonal).expand(2, -1, -1)
    torch.testing.assert_close(
        gradients.scale(sample, REFERENCE), torch.full((2, 2, 1), 1.3).double()
    )


def test_groups_are_independent():
    sample = draws(20, bias=0.2)
    for statistic in (
        gradients.relative_bias,
        gradients.bias_z,
        gradients.mean_squared_error,
        gradients.relative_rmse,
        gradients.signal_to_noise,
        gradients.sign_agreement,
    ):
        alone = statistic(sample[:, 1], REFERENCE[1])
        torch.testing.assert_close(statistic(sample, REFERENCE)[1], alone)
