"""A group is the mean over the settings that its runs share, seed by seed."""

from pathlib import Path

import numpy as np
import pytest
from grids import STUDY, history, write_grid
from studies import far, finish

from bnrun.recording.history import read_metrics
from bnrun.recording.metrics import MetricsFile
from bnrun.report.compare.group_means import Group, grouped
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate
from bnrun.report.render.tensorboard import write_groups

pytestmark = pytest.mark.usefixtures("here")


def groups(*by: str) -> dict[str, Group]:
    runs = find_runs([STUDY]).runs
    histories = {run.folder: read_metrics(run.folder) for run in runs}
    by_name = grouped(tabulate(runs), histories, by or None)
    return {group.name: group for group in by_name}


def test_a_group_is_the_mean_over_settings_for_each_seed() -> None:
    values = write_grid()
    by_name = groups()
    assert by_name.keys() == {"estimator=st", "estimator=reinmax"}
    for estimator in ("st", "reinmax"):
        steps, mean = by_name[f"estimator={estimator}"].curves["loss/train"]
        assert steps == [0, 10, 20, 30]
        expected = (values["dbn", estimator] + values["sbn", estimator]) / 2
        np.testing.assert_allclose(mean, expected, rtol=1e-12)


def test_groups_differ_in_the_requested_setting() -> None:
    values = write_grid()
    by_name = groups("neuron")
    assert by_name.keys() == {"neuron=dbn", "neuron=sbn"}
    _, mean = by_name["neuron=dbn"].curves["loss/train"]
    expected = (values["dbn", "st"] + values["dbn", "reinmax"]) / 2
    np.testing.assert_allclose(mean, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="colour: not a setting of these runs"):
        groups("colour")


def test_all_groups_are_means_over_the_same_settings() -> None:
    values = write_grid()
    for estimator in ("st", "reinmax", "disarm"):
        history(finish(f"new{estimator}", far(0.0, 3), estimator, "new"), [[1.0] * 3] * 4)
    history(finish("disarm", far(0.0, 3), "disarm", "sbn"), [[1.0] * 3] * 4)
    by_name = groups()
    for estimator in ("st", "reinmax"):
        _, mean = by_name[f"estimator={estimator}"].curves["loss/train"]
        np.testing.assert_allclose(mean, (values["sbn", estimator] + 1) / 2, rtol=1e-12)
    assert "Left out, because not all were run there: neuron=dbn" in by_name["estimator=st"].text


def test_epochs_of_different_lengths_are_aligned() -> None:
    values = write_grid(dbn=10, sbn=70)
    steps, mean = groups()["estimator=st"].curves["loss/train"]
    assert steps == [0, 1000, 2000, 3000]
    np.testing.assert_allclose(mean, (values["dbn", "st"] + values["sbn", "st"]) / 2, rtol=1e-12)


def test_points_at_different_steps_are_interpolated_within_the_common_range() -> None:
    for neuron, steps in (("dbn", (0, 10, 20, 30)), ("sbn", (5, 25))):
        for estimator in ("st", "reinmax"):
            file = MetricsFile(
                finish(f"{neuron}{estimator}", far(0.0, 2), estimator, neuron), [0, 1]
            )
            for step in steps:
                file.append(step, step / 10, 0.0, {"loss/train": [float(step), 2.0 * step]})
            file.close()
    places, mean = groups()["estimator=st"].curves["loss/train"]
    assert places == [5, 25]
    np.testing.assert_allclose(mean, [[5.0, 10.0], [25.0, 50.0]], rtol=1e-12)


def test_a_seed_that_diverged_in_one_setting_does_not_affect_the_others() -> None:
    write_grid()
    history(Path("study/dbn-st"), [[1.0, 1.0, 1.0], [1.0, float("nan"), 1.0]])
    history(Path("study/sbn-st"), [[3.0, 3.0, 3.0], [3.0, 3.0, 5.0]])
    _, mean = groups()["estimator=st"].curves["loss/train"]
    np.testing.assert_array_equal(mean, [[2.0, 2.0, 2.0], [2.0, float("nan"), 3.0]])


def test_only_seeds_of_all_settings_count() -> None:
    for neuron, seeds in (("dbn", [0, 1, 2]), ("sbn", [1, 2, 3])):
        for estimator in ("st", "reinmax"):
            place = finish(f"{neuron}{estimator}", far(0.0, 3), estimator, neuron, seeds=seeds)
            file = MetricsFile(place, seeds)
            file.append(0, 0.0, 0.0, {"loss/train": [float(seed) for seed in seeds]})
            file.close()
    _, mean = groups()["estimator=st"].curves["loss/train"]
    np.testing.assert_array_equal(mean, [[1.0, 2.0]])


def test_there_are_no_groups_of_one_run_each() -> None:
    for estimator in ("st", "reinmax"):
        history(finish(estimator, far(0.0, 3), estimator), [[1.0] * 3])
    assert groups() == {}
    assert write_groups(STUDY, [STUDY], None, []) == []
    assert not (STUDY / "groups").exists()
