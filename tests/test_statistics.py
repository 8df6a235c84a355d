"""The joint test of all pairs, on numbers counted by hand and on simulated sweeps."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bnrun.report.compare import statistics
from bnrun.report.compare.statistics import (
    compare_pairs,
    differences,
    max_t,
    probability_of_improvement,
)

A = [0.91, 0.93, 0.90, 0.95, 0.92, 0.94, 0.93, 0.96, 0.91, 0.90]
B = [0.90, 0.93, 0.88, 0.94, 0.93, 0.91, 0.92, 0.93, 0.90, 0.89]


def alone(row):
    return float(max_t(np.asarray(row, np.float64)[:, None]).alone[0])


def scores(values):
    return dict(enumerate(values))


def pairs_of(sweep):
    """All differences of a sweep [seeds, contestants], as [seeds, pairs]."""
    columns = itertools.combinations(range(sweep.shape[1]), 2)
    return np.stack([sweep[:, a] - sweep[:, b] for a, b in columns], axis=1)


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


KINDS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(2, size=shape),
    "ties": lambda rng, shape: rng.integers(0, 4, shape) / 360,
    "correlated": lambda rng, shape: (
        rng.normal(size=shape) + 3 * rng.normal(size=shape[:1])[:, None]
    ),
    "diverged": lambda rng, shape: np.where(
        rng.random(shape) < 0.2, np.nan, rng.normal(size=shape)
    ),
}


@pytest.fixture
def few_flips(monkeypatch):
    """Fewer random sign patterns of 17 seeds or more, so that 1,000 sweeps are fast."""
    monkeypatch.setattr(statistics, "_FLIPS", 2**12)
    statistics._sign_patterns.cache_clear()
    yield
    statistics._sign_patterns.cache_clear()


@pytest.mark.usefixtures("few_flips")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seeds", [5, 6, 10, 20])
@pytest.mark.parametrize("shifted", [False, True])
def test_at_most_5_percent_of_1000_sweeps_show_a_difference_that_is_not_there(kind, seeds, shifted):
    sweeps = 1000
    rng = np.random.default_rng([seeds, *kind.encode()])
    sweep = KINDS[kind](rng, (sweeps * seeds, 4)).reshape(sweeps, seeds, 4)
    # Of 6 pairs, the 3 without the first contestant are equal.
    sweep[..., 0] += 100.0 * shifted
    equal = slice(3 * shifted, None)
    wrong = sum((max_t(pairs_of(s)).adjusted[equal] <= 0.05).any() for s in sweep)
    assert wrong <= 0.05 * sweeps + 3 * math.sqrt(0.05 * 0.95 * sweeps)
    if seeds == 5:
        assert wrong == 0
    elif kind == "normal" and not shifted:
        assert wrong >= 0.015 * sweeps


@pytest.mark.parametrize(("seeds", "shift", "power"), [(6, 6.0, 0.83), (10, 4.0, 0.99)])
def test_ten_estimators_need_no_more_seeds_than_people_have(seeds, shift, power):
    # Of 45 pairs, 9 differ. Holm's correction of the smallest p, 45 * 2 / 2^seeds, shows none.
    rng = np.random.default_rng(5)
    shown = []
    for _ in range(200):
        sweep = rng.normal(size=(seeds, 10))
        sweep[:, 0] += shift
        shown.append((max_t(pairs_of(sweep)).adjusted[:9] <= 0.05).mean())
    assert 45 * 2 / 2**seeds > 0.05
    assert np.mean(shown) == pytest.approx(power, abs=0.04)


def test_skewed_differences_are_called_different_too_often_as_is_said():
    rng = np.random.default_rng(0)
    share = np.mean([alone(rng.exponential(size=10) - 1) <= 0.05 for _ in range(3000)])
    assert share == pytest.approx(0.098, abs=0.015)


VALUES = st.one_of(
    st.floats(-1, 1), st.sampled_from([0.0, 0.1, 0.3, 0.1 + 0.2, math.nan, math.inf, 1e-300, 1e300])
)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(st.lists(VALUES, min_size=n, max_size=n), min_size=2, max_size=5)
    )
)
def test_interval_p_and_verdict_never_contradict_each_other(columns):
    pairs = [(scores(a), scores(b)) for a, b in itertools.combinations(columns, 2)]
    for pair in compare_pairs(pairs):
        if pair.survivors:
            assert not pair.significant
            assert [math.isnan(x) for x in (pair.low, pair.adjusted, pair.p)] == [True] * 3
        elif pair.number > 1:
            assert pair.low <= pair.mean <= pair.high
            assert pair.significant == (pair.adjusted <= 0.05) == (not pair.low <= 0 <= pair.high)
            assert pair.p <= pair.adjusted <= 1


def test_pairs_leave_out_diverged_seeds_and_say_how_many():
    a = [1.0, 2.0, math.nan, 4.0, math.inf]
    b = [0.0, math.nan, 1.0, 2.0, 1.0]
    (pair,) = compare_pairs([(scores(b), scores(a))])
    assert (pair.number, pair.diverged, pair.mean) == (2, 3, -1.5)
    assert pair.deviation == pytest.approx(np.std([1, 2], ddof=1))
    assert not pair.significant


def test_who_diverged_more_often_does_not_win_by_its_survivors():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.01, 0.001, 12), rng.normal(0.0, 0.001, 12)
    whole, worse = (scores(a), scores(b)), {**scores(a), 0: math.nan, 4: math.nan}
    assert compare_pairs([whole])[0].significant
    for pair in (worse, scores(b)), (scores(b), worse):
        (difference,) = compare_pairs([pair])
        assert difference.survivors
        assert not difference.significant
        assert math.isnan(difference.adjusted)
    # Both lost as many; the one behind lost more; the one ahead lost others that are not shared.
    equal = {**scores(b), 1: math.nan, 2: math.nan}
    more = {**equal, 3: math.nan}
    assert compare_pairs([(worse, equal)])[0].significant
    assert compare_pairs([(worse, more)])[0].significant
    unshared = {**scores(a), 12: math.nan}
    assert compare_pairs([(unshared, scores(b))])[0].survivors


@pytest.mark.parametrize(("seeds", "naive"), [(5, 0), (6, 0), (10, 350), (20, 700)])
def test_in_1000_sweeps_nobody_wins_by_losing_its_worst_seeds(seeds, naive):
    rng = np.random.default_rng(seeds)
    wins = by_survivors = 0
    for _ in range(1000):
        ahead, behind = rng.normal(size=(2, seeds))
        ahead += 0.5
        lost = np.argsort(ahead)[: max(1, 3 * seeds // 10)]
        ahead[lost] = np.nan
        for pair in ((scores(ahead), scores(behind)), (scores(behind), scores(ahead))):
            wins += compare_pairs([pair])[0].significant
        by_survivors += alone(np.delete(ahead - behind, lost)) <= 0.05
    assert wins == 0
    # How often the survivors alone would have won.
    assert by_survivors >= naive


def test_a_pair_that_is_not_tested_leaves_the_others_as_they_are():
    rng = np.random.default_rng(1)
    sweep = [scores(rng.normal(size=10)) for _ in range(3)]
    sweep[0] = {seed: value + 9 for seed, value in sweep[0].items()}
    lost = {**sweep[0], 0: math.nan}
    tested = compare_pairs([(sweep[0], sweep[1]), (sweep[1], sweep[2])])[1]
    assert compare_pairs([(lost, sweep[1]), (sweep[1], sweep[2])])[1].adjusted >= tested.p


@pytest.mark.parametrize("column", [[], [math.nan, math.nan], [-1.0, math.nan]])
def test_fewer_than_two_seeds_show_nothing(column):
    (pair,) = compare_pairs([(scores([0.0] * len(column)), scores(column))])
    assert (pair.p, pair.adjusted) == (1.0, 1.0)
    assert math.isnan(pair.low)
    assert math.isnan(pair.deviation)


def test_no_pairs_give_no_differences():
    assert compare_pairs([]) == []


def test_only_shared_seeds_are_compared():
    data = differences([({0: 1.0, 1: 2.0}, {1: 0.5, 2: 9.0}), ({2: 1.0}, {2: 4.0})])
    np.testing.assert_array_equal(data, [[1.5, np.nan], [np.nan, -3.0]])


def test_a_difference_seen_from_the_other_side_is_its_negative():
    rng = np.random.default_rng(4)
    a, b = scores(rng.normal(size=8)), scores(rng.normal(size=8))
    (one,), (other,) = compare_pairs([(a, b)]), compare_pairs([(b, a)])
    assert one.reversed == other


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
