"""Scores of generated images on sets whose scores are known."""

import math

import numpy as np
import pytest
import torch
from configured import built
from scipy.spatial import KDTree

from bnrun.core.noise import stream
from bnrun.tasks.gan.image_scores import (
    BINS,
    NOTCH,
    bars,
    covered,
    histogram,
    image_scores,
    isolated,
    sigmoid_scores,
)
from bnrun.tasks.gan.judge import Judge


def normal(*shape, name="test"):
    return torch.from_numpy(stream(0, name).standard_normal(shape))


def test_covered_equals_a_search_for_neighbours_one_by_one():
    points, among = 2 * normal(2, 30, 3, name="points"), normal(2, 40, 3, name="among")
    share = covered(points, among, 3)
    for replica in range(2):
        others = among[replica].numpy()
        radii = KDTree(others).query(others, 4)[0][:, -1]
        inside = [
            any(np.linalg.norm(point - o) <= r for o, r in zip(others, radii, strict=True))
            for point in points[replica].numpy()
        ]
        assert share[replica].item() == pytest.approx(np.mean(inside), abs=1e-12)
    assert 0.1 < share.min() < share.max() < 1


@pytest.fixture(scope="module")
def judge():
    task = built(["task=gan", "model=generator_mlp", "dtype=float64", "task.judge_steps=300"]).task
    return task.evaluation.judge


@pytest.fixture(scope="module")
def digits():
    """Bits of real images, and their classes."""
    data = built(["dtype=float64"]).data.train
    return (data.inputs > 0).double().flatten(1), data.targets


def test_real_images_have_all_of_precision_and_recall_and_all_classes(judge, digits):
    images, targets = digits
    scores = image_scores(judge, images[None, :500], images[500:1000], 3)
    assert scores["precision"] > 0.85
    assert scores["recall"] > 0.85
    shares = torch.bincount(targets[:500]) / 500
    entropy = torch.special.entr(shares).sum().item()
    assert scores["class_entropy"].item() == pytest.approx(entropy, abs=0.02)
    assert scores["confidence"] > 0.8
    p, r = scores["precision"], scores["recall"]
    torch.testing.assert_close(scores["f1"], 2 / (1 / p + 1 / r))


def test_one_perfect_digit_has_precision_only(judge, digits):
    images, _ = digits
    scores = image_scores(judge, images[:1].expand(1, 200, -1), images[1:400], 3)
    assert scores["precision"].item() in (0, 1)
    assert scores["recall"] < 0.01
    assert scores["class_entropy"] == 0
    assert scores["f1"] < 0.02


def test_noise_has_no_precision(judge, digits):
    images, _ = digits
    noise = torch.from_numpy(stream(0, "noise").integers(2, size=(1, 300, 64))).double()
    scores = image_scores(judge, noise, images[:300], 3)
    real = image_scores(judge, images[None, 300:600], images[:300], 3)
    assert scores["precision"] < 0.3 * real["precision"]
    assert math.isfinite(scores["f1"])


def test_replicas_are_scored_one_by_one(judge, digits):
    images, _ = digits
    both = torch.stack([images[:100], 1 - images[:100]])
    together = image_scores(judge, both, images[200:300], 3)
    for replica in range(2):
        alone = image_scores(judge, both[replica : replica + 1], images[200:300], 3)
        for name, values in alone.items():
            torch.testing.assert_close(together[name][replica], values[0], rtol=1e-12, atol=1e-12)


def test_isolated_pixels_differ_from_all_around_them():
    picture = torch.zeros(1, 1, 6, 6)
    picture[..., 0, 0] = 1  # lone, in the corner
    picture[..., 0, 3] = picture[..., 1, 4] = 1  # neighbours by a corner
    picture[..., 3:6, 2:5] = 1
    picture[..., 4, 3] = 0  # a hole in a block
    assert isolated(picture).item() == pytest.approx(2 / 36)
    assert isolated(torch.ones(1, 1, 6, 6)).item() == 0
    assert isolated(torch.stack([picture[0], torch.zeros(1, 6, 6)])).tolist() == [2 / 36, 0]


def test_histogram_has_256_bins_with_both_ends():
    values = torch.tensor([[0.0, 1.0, 0.5, 0.4999, 1 / 256, 1 / 257], [1.0] * 6])
    shares = histogram(values)
    assert shares.shape == (2, BINS)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, dtype=torch.float64))
    assert (shares[0] * 6).nonzero().flatten().tolist() == [0, 1, 127, 128, 255]
    assert shares[0, 0] == pytest.approx(2 / 6)
    assert shares[1, 255] == 1


def test_notch_is_the_missing_share_in_the_bin_that_the_figure_leaves_empty():
    even = (torch.arange(255 * BINS, dtype=torch.float64) + 0.5) / (255 * BINS)
    assert sigmoid_scores(even[None])["notch"].item() == pytest.approx(0, abs=1e-9)
    low, high = NOTCH
    assert (low, high) == pytest.approx((0.494141, 0.498039), abs=1e-5)
    inside = (even >= low) & (even < high)
    assert inside.sum() == 254  # of 65,280 in 256 bins over 254/255 of the range
    assert sigmoid_scores(even[None, ~inside])["notch"].item() == pytest.approx(1)
    doubled = torch.cat([even, even[inside]])
    assert sigmoid_scores(doubled[None])["notch"].item() == pytest.approx(-1)
    # A bin has its lower edge and not its upper one.
    for edge, notch in ((low, -1), (high, 0)):
        piled = torch.cat([even, torch.full((254,), edge, dtype=torch.float64)])
        assert sigmoid_scores(piled[None])["notch"].item() == pytest.approx(notch, abs=1e-9)
    # What lies at .5, but outside the bin, is no notch and no pile.
    at_half = ((even >= high) & (even < 0.5)).nonzero().flatten()
    pile = torch.cat([even, even[at_half].repeat(5)])
    assert sigmoid_scores(pile[None])["notch"].item() == pytest.approx(0, abs=1e-9)


def test_a_byte_of_127_is_what_the_notch_lacks_after_truncation():
    """Bytes 0 to 254 in 256 bins of their own range leave exactly this bin empty."""
    counts, edges = np.histogram(np.arange(255), 256)
    (empty,) = np.flatnonzero(counts == 0)
    assert edges[[empty, empty + 1]] / 255 == pytest.approx(NOTCH)


def test_share_at_1_counts_exact_ones_and_share_near_1_the_last_bin():
    values = torch.tensor([[1.0, 1 - 2**-24, 255 / 256, 254.9 / 256, 0.0, 0.0039, 0.004, 0.5]])
    scores = {name: value.item() * 8 for name, value in sigmoid_scores(values).items()}
    assert scores["share_at_1"] == 1
    assert scores["share_near_1"] == 3
    assert scores["share_at_0"] == 2


def test_bars_are_logarithmic():
    shares = torch.zeros(1, BINS)
    shares[0, 0], shares[0, 1] = 1.0, 10**-2.5
    picture = bars(shares, height=100)
    assert picture.shape == (1, 100, BINS)
    assert picture.unique().tolist() == [-1, 1]
    white = (picture > 0).float().mean(1)[0]
    assert white[0] == pytest.approx(0.99, abs=0.011)
    assert white[1] == pytest.approx(0.5, abs=0.011)
    assert white[2:].max() == 0


def test_the_judge_is_the_same_every_time_and_leaves_the_global_generator_alone(digits):
    data = built(["dtype=float64"]).data
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = Judge.trained(data, 30), Judge.trained(data, 30)
    assert torch.equal(torch.rand(3), expected)
    assert first.accuracy == second.accuracy
    for one, other in zip(first.net.parameters(), second.net.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_judge_can_tell_digits_apart():
    data = built(["dtype=float64"]).data
    assert Judge.trained(data, 500).accuracy > 0.93
