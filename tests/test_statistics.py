"""The joint test of all pairs, on numbers counted by hand."""

import itertools
import math

import numpy as np
import pytest
from one_pair import alone
from scipy import stats

from bnrun.report.compare.statistics import (
    max_t,
)


def test_p_is_that_of_all_sign_patterns_counted_by_hand():
    # Of the 8 patterns of +-1 +-2 +-3, those with |sum| >= 6 are two, with |sum| >= 4 four.
    assert alone([1, 2, 3]) == 2 / 8
    assert alone([-1, 2, 3]) == 4 / 8
    assert alone(np.ones(6)) == 2 / 64


def test_p_with_ties_and_zeros_counts_them_as_they_are():
    # Zeros do not change sums: 2 / 2^6 with two more seeds that tie.
    assert alone([1.0] * 6 + [0.0, 0.0]) == 2 / 64
    assert alone(np.zeros(6)) == 1
    # 0.9 - 0.8 and 0.3 - 0.2 differ only by rounding.
    assert alone([0.9 - 0.8, -(0.3 - 0.2), 0.7 - 0.6]) == 1


@pytest.mark.parametrize("whole", [360, 1000, 10_000])
def test_p_of_accuracies_counts_every_tie(whole):
    # Differences of shares of `whole` examples: many sums are equal up to rounding.
    rng = np.random.default_rng(6)
    signs = np.array(list(itertools.product([1, -1], repeat=9)))
    for _ in range(20):
        a, b = rng.integers(whole - 20, whole, (2, 9))
        expected = np.mean(np.abs(signs @ (a - b)) >= abs((a - b).sum()))
        assert alone(a / whole - b / whole) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_p_is_scipys_whatever_the_size_of_the_scores(size):
    for row in np.random.default_rng(8).normal(0.3, 1.0, (5, 11)):
        expected = stats.permutation_test(
            (row,), np.mean, permutation_type="samples", n_resamples=np.inf
        )
        assert alone(size * row) == pytest.approx(expected.pvalue, abs=1e-12)


def test_p_of_many_seeds_is_close_to_the_t_test():
    row = np.random.default_rng(1).normal(0.35, 1.0, 40)
    assert alone(row) == pytest.approx(stats.ttest_1samp(row, 0).pvalue, abs=0.01)


def test_p_is_exact_up_to_16_seeds_and_has_no_coarser_steps_above():
    assert alone(np.ones(16)) == 2 / 2**16
    # All 17 signs are equal once in 65,536 flips on average, beside the flip that changes nothing.
    assert alone(np.ones(17)) in [n / 2**16 for n in (1, 2, 3, 4)]


def by_hand(data):
    """p over all pairs, p of step-down, and the 95 % quantile of the largest |t|."""
    flipped = [
        np.abs(flip.mean(0) / flip.std(0, ddof=1) * math.sqrt(len(data)))
        for signs in itertools.product([1, -1], repeat=len(data))
        for flip in [data * np.array(signs)[:, None]]
    ]
    observed = flipped[0] * (1 - 1e-9)
    over_all = [np.mean([row.max() >= t for row in flipped]) for t in observed]
    down = {}
    left = list(range(data.shape[1]))
    for pair in sorted(left, key=lambda pair: -observed[pair]):
        p = np.mean([row[left].max() >= observed[pair] for row in flipped])
        down[pair] = max([p, *down.values()])
        left.remove(pair)
    largest = sorted((row.max() for row in flipped), reverse=True)
    return over_all, [down[n] for n in range(data.shape[1])], largest[len(flipped) // 20]


def test_the_joint_test_is_the_one_done_pattern_by_pattern():
    rng = np.random.default_rng(0)
    for shift in (0.0, 1.0, 2.0):
        data = rng.normal(size=(8, 5)) + rng.normal(size=(8, 1)) + shift * np.arange(5)
        over_all, down, bound = by_hand(data)
        tests = max_t(data)
        expected = [d if o <= 0.05 else o for o, d in zip(over_all, down, strict=True)]
        assert tests.adjusted == pytest.approx(expected, abs=1e-12)
        assert tests.half == pytest.approx(bound * stats.sem(data), rel=1e-6)


def test_seeds_that_a_pair_lacks_do_not_change_its_own_test():
    data = np.random.default_rng(3).normal(size=(9, 3))
    data[0, 0] = data[1, 1] = data[2, 1] = np.nan
    tests = max_t(data)
    for column, p in zip(data.T, tests.alone, strict=True):
        assert p == alone(column[np.isfinite(column)])
    assert all(tests.adjusted >= tests.alone)


def test_step_down_gives_the_second_difference_a_smaller_p():
    rng = np.random.default_rng(2)
    smaller = 0
    for _ in range(30):
        data = np.stack([rng.normal(9, 1, 8), rng.normal(1.6, 1, 8)], axis=1)
        over_all, down, _ = by_hand(data)
        if over_all[1] <= 0.05:
            assert max_t(data).adjusted[1] == down[1]
            smaller += down[1] < over_all[1]
    assert smaller >= 2
