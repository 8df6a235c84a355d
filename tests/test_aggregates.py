"""Contestants over several settings, as Agarwal et al. (2021) define it."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from studies import change, compared, far, finish

from bnrun.recording.tags import ScoreName
from bnrun.report.compare.aggregate import aggregates, missing
from bnrun.report.compare.bootstrap import Sample, improvement, interquartile_mean, profile
from bnrun.report.compare.yardstick import Wanted
from bnrun.report_cli import main

# Ten seeds in three settings, and what rliable 1.2.0 makes of them. The ends of its intervals are
# from 50,000 samples for the interquartile mean and from 5,000 for the others.
A = [
    [0.900, 0.873, 0.902, 0.881, 0.903, 0.921, 0.843, 0.893, 0.905, 0.884],
    [0.809, 0.786, 0.782, 0.815, 0.772, 0.760, 0.761, 0.762, 0.794, 0.799],
    [0.692, 0.670, 0.685, 0.711, 0.699, 0.686, 0.645, 0.708, 0.624, 0.703],
]
B = [
    [0.834, 0.856, 0.879, 0.877, 0.843, 0.834, 0.861, 0.844, 0.874, 0.900],
    [0.766, 0.812, 0.807, 0.783, 0.782, 0.806, 0.840, 0.782, 0.800, 0.823],
    [0.651, 0.656, 0.662, 0.682, 0.721, 0.684, 0.703, 0.697, 0.678, 0.660],
]
THRESHOLDS = np.linspace(0.65, 0.95, 7)

pytestmark = pytest.mark.usefixtures("here")


def samples(*scores: list[list[float]]) -> list[Sample]:
    rng = np.random.default_rng(0)
    return [Sample.draw([np.array(row) for row in rows], rng) for rows in scores]


def test_interquartile_means_and_intervals_are_those_of_rliable() -> None:
    one, other = map(interquartile_mean, samples(A, B))
    assert (one.value, other.value) == pytest.approx((0.7849375, 0.7895625), abs=1e-12)
    assert one[1:] == pytest.approx((0.776125, 0.79375), abs=4e-4)
    assert other[1:] == pytest.approx((0.7803125, 0.7985), abs=4e-4)


def test_the_probability_of_improvement_and_its_interval_are_those_of_rliable() -> None:
    estimate = improvement(*samples(A, B))
    assert estimate.value == pytest.approx(0.5816666666666667, abs=1e-12)
    assert estimate[1:] == pytest.approx((0.44833333, 0.71666667), abs=0.012)


def test_performance_profiles_and_their_bands_are_those_of_rliable() -> None:
    (sample,) = samples(A)
    share, low, high = profile(sample, THRESHOLDS)
    thirtieths = 30 * np.array([share, low, high])
    assert thirtieths[0] == pytest.approx([28, 23, 20, 12, 9, 5, 0], abs=1e-9)
    assert thirtieths[1] == pytest.approx([25, 20, 20, 10, 7, 2, 0], abs=1 + 1e-9)
    assert thirtieths[2] == pytest.approx([30, 26, 20, 15, 10, 8, 0], abs=1 + 1e-9)


@pytest.mark.parametrize("seeds", [2, 3, 5, 7])
def test_the_interquartile_mean_is_a_mean_trimmed_by_a_quarter(seeds: int) -> None:
    scores = np.random.default_rng(1).normal(size=(3, seeds)).tolist()
    (sample,) = samples(scores)
    assert interquartile_mean(sample).value == pytest.approx(
        stats.trim_mean(np.ravel(scores), 0.25)
    )


def test_a_diverged_seed_is_worse_than_any_number() -> None:
    few, many = [-math.inf, 1.0, 2.0, 3.0], [-math.inf, -math.inf, 2.0, 3.0]
    one, other = samples([few], [many])
    assert interquartile_mean(one).value == 1.5
    assert interquartile_mean(other).value == -math.inf
    assert improvement(one, other).value == 9 / 16
    assert profile(other, np.array([-1e300]))[0] == [0.5]


def test_contestants_are_ranked_over_the_settings_that_all_of_them_have() -> None:
    for neuron in ("sbn", "my_sbn"):
        finish(f"{neuron}-st", far(0.0), "st", neuron)
        finish(f"{neuron}-reinmax", far(0.1), "reinmax", neuron)
    finish("dbn-st", far(0.4), "st", "dbn")
    (aggregate,) = aggregates(compared())
    assert aggregate.settings == ["neuron=my_sbn", "neuron=sbn"]
    assert [member.label for member in aggregate.members] == ["reinmax", "st"]
    assert aggregate.members[0].behind is None
    assert aggregate.members[1].behind == (1.0, 1.0, 1.0)
    assert (aggregate.score, aggregate.left_out) == ("test accuracy sampled", [])
    middle = sorted(2 * far(0.1))[5:15]
    assert aggregate.members[0].iqm.value == pytest.approx(sum(middle) / 10)


def test_if_no_two_settings_have_all_contestants_those_that_lack_one_are_left_out() -> None:
    for neuron in ("dbn", "sbn"):
        finish(f"{neuron}-st", far(0.0), "st", neuron, way="thresholded")
        finish(f"{neuron}-sigmoid_st", far(0.1), "sigmoid_st", neuron, way="thresholded")
    finish("sbn-reinmax", far(0.2), "reinmax", "sbn", way="thresholded")
    (aggregate,) = aggregates(compared())
    assert aggregate.settings == ["neuron=dbn", "neuron=sbn"]
    assert aggregate.left_out == ["reinmax"]
    assert [member.label for member in aggregate.members] == ["sigmoid_st", "st"]


def test_one_setting_has_no_aggregate() -> None:
    finish("st", far(0.0), "st")
    finish("reinmax", far(0.1), "reinmax")
    assert aggregates(compared()) == []


def test_scores_of_which_less_is_better_are_scaled_per_setting() -> None:
    for neuron, size in (("sbn", 1.0), ("dbn", 100.0)):
        for estimator, values in (("st", [3.0, 2.0, 1.0]), ("reinmax", [2.0, 1.0, 0.0])):
            values = [size * value for value in values]
            finish(
                f"{neuron}{estimator}",
                values,
                estimator,
                neuron,
                score="nll",
                larger=False,
                way="thresholded",
            )
    main(["study"])
    with Path("study/report-aggregates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["contestant"] for row in rows] == ["reinmax", "st"]
    # Six scores 1/3 1/3 2/3 2/3 1 1 and 0 0 1/3 1/3 2/3 2/3, of which one goes at each end.
    assert [float(row["iqm"]) for row in rows] == pytest.approx([2 / 3, 1 / 3])
    assert {row["scale"] for row in rows} == {"0 is the worst seed of its setting, 1 the best"}
    assert float(rows[1]["P(leader better)"]) == pytest.approx(7 / 9)
    text = Path("study/report.md").read_text()
    assert "## Test nll thresholded over 2 settings (0 is the worst seed of its setting" in text


def test_the_same_runs_always_give_the_same_intervals() -> None:
    for neuron in ("dbn", "sbn"):
        for estimator, offset in (("st", 0.0), ("reinmax", 0.01)):
            finish(f"{neuron}{estimator}", far(offset), estimator, neuron, way="thresholded")
    texts = set()
    for _ in range(2):
        main(["study"])
        texts.add(Path("study/report-aggregates.csv").read_text())
    assert len(texts) == 1


def test_settings_judged_in_several_ways_are_not_averaged_but_one_way_is_offered() -> None:
    for neuron, way in (("dbn", "thresholded"), ("sbn", "sampled")):
        for estimator in ("st", "sigmoid_st"):
            place = finish(f"{neuron}-{estimator}", far(0.0), estimator, neuron)
            change(place, way=way)
    contests = compared()
    assert aggregates(contests) == []
    assert missing(contests) == [
        "no test accuracy over all settings, because thresholded and sampled are not compared with "
        "each other: --score test/accuracy/thresholded judges every run in one way"
    ]
    wanted = Wanted(ScoreName("test", "accuracy", "thresholded"), None)
    assert len(aggregates(compared(wanted))) == 1


def test_nothing_is_said_of_settings_that_share_no_contestants() -> None:
    for neuron, way, estimator in (("dbn", "thresholded", "st"), ("sbn", "sampled", "disarm")):
        change(finish(neuron, far(0.0), estimator, neuron), way=way)
        change(finish(f"{neuron}2", far(0.0), f"{estimator}2", neuron), way=way)
    assert missing(compared()) == []
