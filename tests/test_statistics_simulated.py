"""The joint test of all pairs, on simulated sweeps: how often it is wrong, and what it needs."""

import itertools
import math

import numpy as np
import pytest
from one_pair import alone, scores

from bnrun.report.compare import statistics
from bnrun.report.compare.statistics import (
    compare_pairs,
    max_t,
)


def pairs_of(sweep):
    """All differences of a sweep [seeds, contestants], as [seeds, pairs]."""
    columns = itertools.combinations(range(sweep.shape[1]), 2)
    return np.stack([sweep[:, a] - sweep[:, b] for a, b in columns], axis=1)


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


@pytest.mark.parametrize(("seeds", "naive"), [(5, 0), (6, 0), (10, 350), (20, 700)])
def test_in_1000_sweeps_nobody_wins_by_losing_its_worst_seeds(seeds, naive):
    rng = np.random.default_rng(seeds)
    wins = by_survivors = 0
    for _ in range(1000):
        ahead, behind = rng.normal(size=(2, seeds))
        ahead += 0.5
        worst = np.argsort(ahead)[: max(1, 3 * seeds // 10)]
        ahead[worst] = np.nan
        for pair in ((scores(ahead), scores(behind)), (scores(behind), scores(ahead))):
            wins += compare_pairs([pair])[0].significant
        by_survivors += alone(np.delete(ahead - behind, worst)) <= 0.05
    assert wins == 0
    # How often the survivors alone would have won.
    assert by_survivors >= naive
