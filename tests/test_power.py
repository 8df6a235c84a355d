"""How many seeds a difference needs, by simulation of the test that is used."""

import math

import numpy as np
import pytest
from scipy import stats

from bnrun.report.compare.power import FEWEST, Range, seeds_needed
from bnrun.report.compare.statistics import max_t


def pilot(effect, number, pairs=1):
    """Differences [seeds, pairs] whose mean is `effect` standard deviations, exactly."""
    noise = np.random.default_rng(number).normal(size=(number, pairs))
    return effect + stats.zscore(noise, ddof=1)


def test_no_difference_counts_with_fewer_seeds_than_the_fewest():
    assert max_t(np.ones((FEWEST - 1, 1))).adjusted[0] > 0.05
    assert max_t(np.ones((FEWEST, 1))).adjusted[0] <= 0.05


@pytest.mark.parametrize("effect", [0.8, 1.2])
def test_a_large_pilot_needs_the_seeds_that_show_its_effect_in_80_percent_of_studies(effect):
    (needed,) = seeds_needed(pilot(effect, 1000))
    rng = np.random.default_rng(0)

    def power(number):
        data = rng.normal(effect, 1.0, (number, 250))
        return np.mean([max_t(row[:, None]).adjusted[0] <= 0.05 for row in data.T])

    assert needed.low <= needed.high <= 1.25 * needed.low + 1
    assert power(max(needed.low - 4, 2)) < 0.8
    assert power(needed.high + 2) > 0.77


def test_a_small_pilot_gives_a_range_that_has_the_true_number():
    # The true number is 15.
    rng = np.random.default_rng(0)
    ranges = [seeds_needed(rng.normal(0.8, 1.0, (10, 1)))[0] for _ in range(30)]
    inside = [needed.low <= 15 <= (needed.high or math.inf) for needed in ranges]
    assert 0.65 <= np.mean(inside) <= 0.95


def test_a_pair_among_many_needs_more_seeds():
    (single,) = seeds_needed(pilot(1.0, 20))
    rng = np.random.default_rng(0)
    among = seeds_needed(np.concatenate([pilot(1.0, 20), rng.normal(size=(20, 44))], axis=1))[0]
    assert among.low > single.low
    assert among.high > single.high


def test_equal_differences_need_the_fewest_seeds_and_none_need_nothing():
    data = np.stack([np.full(8, 0.1), np.zeros(8)], axis=1)
    assert seeds_needed(data) == [Range(FEWEST, FEWEST), None]


def test_a_difference_that_no_affordable_number_shows_has_no_end():
    (needed,) = seeds_needed(pilot(0.3, 10))
    assert needed.high is None
    assert needed.text == f"{needed.low} to > 1000"
    (needed,) = seeds_needed(pilot(1e-6, 100_000))
    assert needed == (None, None)
    assert needed.text == "> 1000"


def test_pairs_of_too_few_seeds_have_no_number():
    data = np.full((3, 2), np.nan)
    data[0] = 1.0
    assert seeds_needed(data) == [None, None]
    assert seeds_needed(np.empty((0, 0))) == []


def test_missing_seeds_leave_the_others_needs_nearly_unchanged():
    data = pilot(1.0, 40, 2)
    lacking = data.copy()
    lacking[:3, 0] = np.nan
    whole, part = (seeds_needed(x)[1] for x in (data, lacking))
    assert part.low == pytest.approx(whole.low, abs=3)


def test_the_range_of_few_seeds_is_that_of_the_80_percent_interval_of_their_effect():
    effect, number = 1.5, 3
    error = stats.norm.ppf(0.9) * math.sqrt(1 / number + effect**2 / (2 * number))
    (needed,) = seeds_needed(pilot(effect, number))
    (at_the_end,) = seeds_needed(pilot(effect - error, 100_000))
    assert at_the_end.low <= needed.high <= at_the_end.high
