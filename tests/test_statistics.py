import itertools
import math

import numpy as np
import pytest
from scipy import stats

from bnrun.report.compare.power import fewest_seeds, power, seeds_needed
from bnrun.report.compare.statistics import (
    bootstrap_intervals,
    compare_pairs,
    holm,
    permutation_p,
    probability_of_improvement,
)

A = [0.91, 0.93, 0.90, 0.95, 0.92, 0.94, 0.93, 0.96, 0.91, 0.90]
B = [0.90, 0.93, 0.88, 0.94, 0.93, 0.91, 0.92, 0.93, 0.90, 0.89]


def test_p_is_that_of_all_sign_patterns_counted_by_hand():
    # Of the 8 patterns of +-1 +-2 +-3, those with |sum| >= 6 are two, with |sum| >= 4 four.
    assert permutation_p([np.array([1.0, 2.0, 3.0])]) == [2 / 8]
    assert permutation_p([np.array([-1.0, 2.0, 3.0])]) == [4 / 8]
    assert permutation_p([np.ones(6)]) == [2 / 64]


def test_p_with_ties_and_zeros_counts_them_as_they_are():
    # Zeros do not change sums: 2 / 2^6 with two more seeds that tie.
    row = np.array([1.0] * 6 + [0.0, 0.0])
    assert permutation_p([row]) == pytest.approx([2 / 64], abs=1e-12)
    assert permutation_p([np.zeros(6)]) == [1.0]
    # 0.9 - 0.8 and 0.3 - 0.2 differ only by rounding.
    rounded = np.array([0.9 - 0.8, -(0.3 - 0.2), 0.7 - 0.6])
    assert permutation_p([rounded]) == [1.0]


def test_p_of_many_seeds_is_close_to_the_t_test():
    row = np.random.default_rng(1).normal(0.35, 1.0, 40)
    (p,) = permutation_p([row])
    assert p == pytest.approx(stats.ttest_1samp(row, 0).pvalue, abs=0.01)


@pytest.mark.parametrize("whole", [360, 1000, 10_000])
def test_p_of_accuracies_counts_every_tie(whole):
    # Differences of shares of `whole` examples: many sums are equal up to rounding.
    rng = np.random.default_rng(6)
    for _ in range(20):
        a, b = rng.integers(whole - 20, whole, (2, 9))
        signs = np.array(list(itertools.product([1, -1], repeat=9)))
        sums, observed = signs @ (a - b), (a - b).sum()
        expected = min(2 * min(np.mean(sums <= observed), np.mean(sums >= observed)), 1.0)
        assert permutation_p([a / whole - b / whole]) == pytest.approx([expected], abs=1e-12)


def test_p_is_scipys():
    rows = np.random.default_rng(8).normal(0.3, 1.0, (5, 11))
    alone = [
        stats.permutation_test((row,), np.mean, permutation_type="samples", n_resamples=np.inf)
        for row in rows
    ]
    assert permutation_p(list(rows)) == pytest.approx([p.pvalue for p in alone], abs=1e-12)


def test_p_is_exact_up_to_16_seeds_and_has_no_coarser_steps_above():
    assert permutation_p([np.ones(16)]) == [2 / 2**16]
    # All 17 signs are equal once in 65,536 flips on average.
    assert permutation_p([np.ones(17)])[0] in [2 * n / (2**16 + 1) for n in (1, 2, 3)]


@pytest.mark.parametrize("seeds", [20, 13])
def test_a_large_report_can_still_tell_large_differences(seeds, monkeypatch):
    # 9 estimators in 4 settings: 144 pairs, of which each corrected p is 144 times the raw one.
    rng = np.random.default_rng(7)
    pairs = [(rng.normal(9.0, 1.0, seeds), rng.normal(0.0, 1.0, seeds)) for _ in range(144)]
    assert fewest_seeds(144) == 13
    assert all(pair.significant for pair in compare_pairs(pairs))
    # More pairs need more flips, because the smallest p-value times their number must be below 5 %.
    monkeypatch.setattr("bnrun.report.compare.statistics._FLIPS", 2**12)
    assert max(permutation_p([np.ones(20)] * 144)) * 144 <= 0.05


def test_p_does_not_depend_on_the_rows_beside_it():
    rng = np.random.default_rng(2)
    rows = [rng.normal(size=number) for number in (8, 5, 8, 1, 5)]
    assert permutation_p(rows) == [permutation_p([row])[0] for row in rows]


def test_no_difference_is_called_one_at_the_nominal_rate_over_1000_sweeps():
    scores = np.random.default_rng(3).normal(size=(1000, 3, 8))
    pairs = [(0, 1), (0, 2), (1, 2)]
    rows = [sweep[a] - sweep[b] for sweep in scores for a, b in pairs]
    p = np.array(permutation_p(rows)).reshape(1000, 3)
    # The largest p-value up to 5 % that 8 seeds can have is 12 / 256; 3 standard errors.
    assert (p[:, 0] <= 0.05).mean() == pytest.approx(12 / 256, abs=0.02)
    # All pairs of a sweep together: the rate is 5 % with the correction and higher without.
    families = np.array([holm(row) for row in p])
    assert (families.min(1) <= 0.05).mean() <= 0.05
    assert (p.min(1) <= 0.05).mean() > 0.08


def test_a_true_difference_is_detected_as_often_as_the_power_says():
    rows = list(np.random.default_rng(4).normal(1.2, 1.0, (1000, 10)))
    share = np.mean(np.array(permutation_p(rows)) <= 0.05)
    assert share == pytest.approx(power(1.2, 1.0, 10), abs=0.03)


def test_probability_of_improvement_is_rliables():
    # rliable 1.2.0, metrics.probability_of_improvement on the same ten and ten scores.
    assert probability_of_improvement(A, B) == pytest.approx(0.65, abs=1e-12)
    assert probability_of_improvement(A, A) == 0.5
    # And over two tasks, of which rliable takes the mean: 0.6575.
    lower = np.asarray(B) - 0.01
    both = probability_of_improvement(A, B) + probability_of_improvement(B, lower)
    assert both / 2 == pytest.approx(0.6575, abs=1e-12)


def test_a_diverged_seed_loses_against_every_other_and_ties_with_its_like():
    assert probability_of_improvement([1.0, math.nan], [0.5, 0.5]) == 0.5
    assert probability_of_improvement([math.nan], [math.inf]) == 0.5
    assert math.isnan(probability_of_improvement([], []))


def test_bootstrap_interval_is_rliables():
    # rliable 1.2.0, library.get_interval_estimates(aggregate_mean), 200,000 resamples: its
    # quantiles lie on the grid of means of ten multiples of 0.01.
    ((low, high),) = bootstrap_intervals([np.asarray(A) - np.asarray(B)])
    assert (low, high) == pytest.approx((0.005, 0.019), abs=1e-9)


def test_bootstrap_interval_of_equal_differences_has_no_width():
    ((low, high),) = bootstrap_intervals([np.full(5, 0.25)])
    assert (low, high) == (0.25, 0.25)


def test_holm_is_statsmodels():
    # statsmodels 0.15.0, multipletests(method="holm").
    expected = [0.04, 0.09, 0.09, 0.025, 0.2]
    assert holm([0.01, 0.04, 0.03, 0.005, 0.2]) == pytest.approx(expected, abs=1e-12)
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("effect", "number", "of_ten"),
    # statsmodels 0.15.0, TTestPower().solve_power(alpha=0.05, power=0.8) and .power(effect, 10).
    [
        (0.2, 198.150820955562, 0.08765715402846737),
        (0.5, 33.36713118431779, 0.2931756065140767),
        (0.8, 14.30276455812943, 0.6162327634744059),
        (1.0, 9.93785094105438, 0.8030968566327218),
    ],
)
def test_power_and_seeds_are_statsmodels(effect, number, of_ten):
    assert power(effect, 1.0, 10) == pytest.approx(of_ten, abs=1e-9)
    assert seeds_needed(effect * 0.01, 0.01) == math.ceil(number)


def test_seeds_needed_is_never_below_what_the_exact_test_can_show():
    assert (fewest_seeds(), fewest_seeds(3), fewest_seeds(28)) == (6, 7, 11)
    assert seeds_needed(5.0, 1.0) == 6
    assert seeds_needed(5.0, 1.0, pairs=3) == 7
    assert seeds_needed(0.1, 0.0) == 6
    p = permutation_p([np.ones(fewest_seeds(3) - 1), np.ones(fewest_seeds(3))])
    assert p[1] * 3 <= 0.05 < p[0] * 3


def test_seeds_needed_is_none_if_no_number_is_enough():
    assert seeds_needed(1e-6, 1.0) is None
    assert seeds_needed(0.0, 0.0) is None


def test_pairs_leave_out_diverged_seeds_and_say_how_many():
    a = [1.0, 2.0, math.nan, 4.0, math.inf]
    b = [0.0, math.nan, 1.0, 2.0, 1.0]
    (pair,) = compare_pairs([(a, b)])
    assert (pair.number, pair.diverged, pair.mean) == (2, 3, 1.5)
    assert pair.deviation == pytest.approx(np.std([1, 2], ddof=1))
    assert not pair.significant


@pytest.mark.parametrize("column", [[], [math.nan, math.nan], [1.0, math.nan]])
def test_fewer_than_two_seeds_show_nothing(column):
    (pair,) = compare_pairs([(column, [0.0] * len(column))])
    assert (pair.p, pair.adjusted) == (1.0, 1.0)
    assert math.isnan(pair.low)
    assert math.isnan(pair.deviation)


def test_columns_of_different_seeds_are_refused():
    with pytest.raises(ValueError, match="give one value per seed"):
        compare_pairs([([1.0, 2.0], [1.0])])


def test_no_pairs_give_no_differences():
    assert compare_pairs([]) == []


def test_a_pair_is_corrected_for_all_others():
    better = [value + 0.01 * (1 + seed % 3) for seed, value in enumerate(B)]
    alone = compare_pairs([(better, B)])[0]
    among = compare_pairs([(better, B), (A, B), (B, B)])[0]
    assert alone.adjusted == alone.p == among.p == 2 / 1024
    assert among.adjusted == pytest.approx(3 * alone.p)
    assert among.significant
