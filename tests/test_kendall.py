"""Kendall's tau between a statistic of gradients and accuracy, with its null by permutations."""

import numpy as np
import pytest
from kendall import agreements, stacked, tau
from scipy.stats import kendalltau


def test_tau_is_that_of_scipy_with_and_without_ties():
    random = np.random.default_rng(0)
    for levels in (3, 6, 1000):
        x, y = random.integers(0, levels, (2, 40, 12)).astype(float)
        expected = [kendalltau(a, b).statistic for a, b in zip(x, y, strict=True)]
        np.testing.assert_allclose(tau(x, y), expected, rtol=1e-12, atol=1e-12)
    assert tau([1, 2, 3], [5, 5, 5]) == 0


def test_a_predictor_in_the_order_of_the_accuracy_has_tau_one_and_its_negative_minus_one():
    accuracy = np.arange(2 * 3 * 8.0).reshape(2, 3, 8)
    found = agreements({"same": accuracy**3, "other": -accuracy}, accuracy)
    assert found["same"].tau == pytest.approx(1)
    assert found["other"].tau == pytest.approx(-1)
    assert found["same"].by_seed == pytest.approx(np.ones(3))
    # Of 8! orders two are as extreme.
    assert found["same"].p == found["same"].adjusted < 0.001


def test_what_is_not_finite_is_worse_than_anything_else():
    accuracy = np.arange(4.0).reshape(1, 1, 4)
    found = agreements({"x": np.array([[[np.nan, -3.0, -2.0, -1.0]]])}, accuracy)
    assert found["x"].tau == pytest.approx(1)


def test_nets_that_share_the_order_of_their_estimators_are_not_independent_evidence():
    # An estimator's effects are the same in all nets, and have nothing to do with each other.
    random, rejected = np.random.default_rng(1), 0
    trials = 200
    for _ in range(trials):
        x, y = random.normal(size=(2, 1, 1, 8)) + 0.01 * random.normal(size=(2, 5, 2, 8))
        rejected += agreements({"x": x}, y, 300)["x"].p < 0.05
    # Standard deviation .015; independent permutations would reject more than a third.
    assert rejected / trials < 0.1


def test_adjusted_p_values_keep_the_error_over_all_predictors():
    random, alone, together, trials = np.random.default_rng(2), 0, 0, 200
    for _ in range(trials):
        y = random.normal(size=(2, 2, 8))
        found = agreements(
            {str(n): random.normal(size=(2, 2, 8)) for n in range(10)}, y, 300
        ).values()
        alone += min(a.p for a in found) < 0.05
        together += min(a.adjusted for a in found) < 0.05
    assert alone / trials > 0.25
    assert together / trials < 0.12


def test_a_missing_configuration_is_an_error():
    rows = [{"net": "a", "estimator": "st", "x": "1"}, {"net": "b", "estimator": "st", "x": ""}]
    table = stacked(rows, "x", ["net", "estimator"], [["a", "b"], ["st"]])
    np.testing.assert_array_equal(table, [[1], [np.nan]])
    with pytest.raises(ValueError, match=r"x: 0 rows of net=b, estimator=st, not one"):
        stacked(rows[:1], "x", ["net", "estimator"], [["a", "b"], ["st"]])
