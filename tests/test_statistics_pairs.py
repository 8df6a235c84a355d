"""What is said of a pair: its seeds, interval, p and verdict never contradict each other."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_pair import scores

from bnrun.report.compare.statistics import (
    compare_pairs,
    differences,
    probability_of_improvement,
)

A = [0.91, 0.93, 0.90, 0.95, 0.92, 0.94, 0.93, 0.96, 0.91, 0.90]
B = [0.90, 0.93, 0.88, 0.94, 0.93, 0.91, 0.92, 0.93, 0.90, 0.89]


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
    # As many seeds diverged for both; more for the one behind; one that is not shared, ahead.
    equal = {**scores(b), 1: math.nan, 2: math.nan}
    more = {**equal, 3: math.nan}
    assert compare_pairs([(worse, equal)])[0].significant
    assert compare_pairs([(worse, more)])[0].significant
    unshared = {**scores(a), 12: math.nan}
    assert compare_pairs([(unshared, scores(b))])[0].survivors


def test_a_pair_that_is_not_tested_leaves_the_others_as_they_are():
    rng = np.random.default_rng(1)
    sweep = [scores(rng.normal(size=10)) for _ in range(3)]
    sweep[0] = {seed: value + 9 for seed, value in sweep[0].items()}
    diverged = {**sweep[0], 0: math.nan}
    tested = compare_pairs([(sweep[0], sweep[1]), (sweep[1], sweep[2])])[1]
    assert compare_pairs([(diverged, sweep[1]), (sweep[1], sweep[2])])[1].adjusted >= tested.p


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
