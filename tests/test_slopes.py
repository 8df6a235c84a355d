"""Evaluating a net with other slopes than its own."""

import pytest
from configured import built


@pytest.fixture(scope="module")
def scores():
    words = ["trainer.steps=40", "trainer.evaluate_slopes=[1,1e9]", "seeds=[3,7]"]
    *_, last = built(["estimator.growth=1.5", "trainer.evaluate_every=0.1", *words]).run()
    return {tag: values.tolist() for tag, values in last.scalars.items()}


def test_bits_at_a_very_large_slope_equal_those_of_a_threshold(scores):
    for score in ("accuracy", "loss"):
        steep = scores[f"{score}/test/sampled_slope_1e+09"]
        assert steep == scores[f"{score}/test/thresholded"]
        assert steep != scores[f"{score}/test/sampled_slope_1"]


def test_the_slope_changes_scores_that_depend_on_it(scores):
    # After one epoch and a half the net's own slope is 1.5.
    own, other = scores["loss/test/mean_field"], scores["loss/test/mean_field_slope_1"]
    assert all(abs(a - b) > 1e-4 for a, b in zip(own, other, strict=True))
    assert not any("thresholded_slope" in tag for tag in scores)
