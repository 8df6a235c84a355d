"""Group runs: means over settings and seeds, for TensorBoard."""

import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from studies import far, finish, record
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bnrun.recording.history import read_metrics
from bnrun.recording.metrics import METRICS, MetricsFile
from bnrun.recording.tags import band
from bnrun.report.compare.group_means import Group, grouped
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate
from bnrun.report.render.tensorboard import write_groups
from bnrun.report_cli import main
from bnrun.sweep.group_runs import updated_group_runs

LOWER, UPPER = band("")
STUDY = Path("study")

pytestmark = pytest.mark.usefixtures("here")


def history(place: Path, values: list[list[float]], steps_per_epoch: int = 10) -> None:
    """One point of loss/train per epoch, each a row over seeds."""
    file = MetricsFile(place, list(range(len(values[0]))))
    for epoch, row in enumerate(values):
        file.append(epoch * steps_per_epoch, float(epoch), 0.5 * epoch, {"loss/train": row})
    file.close()


def groups(*by: str) -> dict[str, Group]:
    runs = find_runs([STUDY]).runs
    histories = {run.folder: read_metrics(run.folder) for run in runs}
    by_name = grouped(tabulate(runs), histories, by or None)
    return {group.name: group for group in by_name}


def write_grid(**options: int) -> dict[tuple[str, str], np.ndarray]:
    """Runs of two neurons and two estimators, three seeds, four points; their values [T, R]."""
    rng = np.random.default_rng(0)
    by_name = {}
    for neuron in ("dbn", "sbn"):
        for estimator in ("st", "reinmax"):
            values = rng.random((4, 3))
            history(
                finish(f"{neuron}-{estimator}", far(0.0, 3), estimator, neuron),
                values.tolist(),
                options.get(neuron, 10),
            )
            by_name[neuron, estimator] = values
    return by_name


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


def test_groups_of_one_run_each_are_written_on_request_under_short_names() -> None:
    for neuron, estimator in (("dbn", "st"), ("sbn", "st"), ("sbn", "disarm")):
        history(finish(f"{neuron}-{estimator}", far(0.0, 3), estimator, neuron), [[1.0] * 3])
    folders = write_groups(STUDY, [STUDY], ["neuron", "estimator"], [])
    assert [folder.name for folder in folders] == [
        "neuron+estimator=dbn-st",
        "neuron+estimator=sbn-disarm",
        "neuron+estimator=sbn-st",
    ]


def test_tensorboard_shows_the_mean_with_its_band_over_seeds() -> None:
    values = write_grid()
    assert {path.name for path in write_groups(STUDY, [STUDY], None, [])} == {
        "estimator=st",
        "estimator=reinmax",
    }
    events = EventAccumulator("study/groups/estimator=st", size_guidance={"scalars": 0})
    events.Reload()
    seeds = (values["dbn", "st"][2] + values["sbn", "st"][2]) / 2
    lower, upper = stats.t.interval(0.95, 2, loc=seeds.mean(), scale=stats.sem(seeds))
    for prefix, expected in (("", seeds.mean()), (LOWER, lower), (UPPER, upper)):
        shown = {event.step: event.value for event in events.Scalars(f"{prefix}loss/train")}
        assert shown[20] == pytest.approx(expected, rel=1e-6)
    assert "custom_scalars__config__" in events.Tags()["tensors"]
    assert "group/about/text_summary" in events.Tags()["tensors"]


def test_groups_written_again_replace_the_old_ones() -> None:
    write_grid()
    write_groups(STUDY, [STUDY], None, [])
    history(Path("study/dbn-st"), [[9.0] * 3] * 2)
    write_groups(STUDY, [STUDY], None, [])
    (file,) = Path("study/groups/estimator=st").iterdir()
    events = EventAccumulator(str(file.parent))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/train")] == [0, 10]
    write_groups(STUDY, [STUDY], ["neuron"], [])
    assert {path.name for path in Path("study/groups").iterdir()} == {"neuron=dbn", "neuron=sbn"}


def test_groups_are_removed_if_their_runs_no_longer_share_a_setting() -> None:
    write_grid()
    write_groups(STUDY, [STUDY], None, [])
    # As in a sweep of both neurons whose last estimator works with only one of them.
    history(finish("sbn-disarm", far(0.0, 3), "disarm"), [[1.0] * 3])
    assert write_groups(STUDY, [STUDY], None, []) == []
    assert not (STUDY / "groups").exists()


def test_group_runs_are_not_runs_of_the_study() -> None:
    write_grid()
    write_groups(STUDY, [STUDY], None, [])
    assert len(find_runs([STUDY]).runs) == 4


def test_groups_are_written_during_a_sweep() -> None:
    names = [
        f"{neuron}-{estimator}" for neuron in ("dbn", "sbn") for estimator in ("st", "reinmax")
    ]
    messages: list[str] = []
    with updated_group_runs(STUDY, [STUDY / name for name in names], None, messages.append):
        write_grid()
        end = time.monotonic() + 60
        while not (STUDY / "groups" / "estimator=st").exists() and time.monotonic() < end:
            time.sleep(0.1)
        assert (STUDY / "groups" / "estimator=st").exists()
    assert messages == ["group runs: tensorboard --logdir study/groups"]


def test_an_error_in_group_runs_does_not_stop_the_sweep() -> None:
    write_grid()
    messages: list[str] = []
    with updated_group_runs(
        STUDY, [STUDY / "dbn-st", STUDY / "sbn-st"], ["colour"], messages.append
    ):
        pass
    assert messages[0].startswith("no group runs: colour: not a setting of these runs, use neuron")
    with updated_group_runs(STUDY, [STUDY / "dbn-st", STUDY / "sbn-st"], [], messages.append):
        pass
    assert len(messages) == 1
    assert not (STUDY / "groups").exists()


def test_a_run_with_a_damaged_history_is_left_out_and_named() -> None:
    values = write_grid()
    for estimator in ("st", "reinmax"):
        history(finish(f"real-{estimator}", far(0.0, 3), estimator, "real"), [[0.5] * 3] * 4)
    (STUDY / "dbn-st" / METRICS).write_text("nonsense\n")
    folders = sorted(STUDY.iterdir())
    messages: list[str] = []
    with updated_group_runs(STUDY, folders, ["estimator"], messages.append):
        pass
    assert len([m for m in messages if m.startswith("not in the group runs: study/dbn-st/")]) == 1
    assert messages[-1] == "group runs: tensorboard --logdir study/groups"
    events = EventAccumulator(str(STUDY / "groups" / "estimator=reinmax"))
    events.Reload()
    curve = [event.value for event in events.Scalars("loss/train")]
    expected = (values["sbn", "reinmax"].mean(1) + 0.5) / 2
    assert curve == pytest.approx(expected.tolist(), rel=1e-6)


def test_a_report_writes_groups_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    for neuron in ("dbn", "sbn"):
        for estimator in ("st", "reinmax"):
            place = finish(f"{neuron}{estimator}", far(0.0), estimator, neuron)
            record(place, {"loss/train": [far(0.1), far(0.0)]}, 10)
    for words, runs in ((), 2), (("--by", "neuron", "estimator"), 4):
        assert main(["study", "--tensorboard", *words]) == 0
        assert "group runs: tensorboard --logdir study/groups" in capsys.readouterr().out
        assert len(list(Path("study/groups").iterdir())) == runs


def test_a_report_says_why_there_are_no_groups(capsys: pytest.CaptureFixture[str]) -> None:
    for estimator in ("st", "reinmax"):
        record(finish(estimator, far(0.0), estimator), {"loss/train": [far(0.1)]}, 10)
    assert main(["study", "--tensorboard"]) == 0
    assert "each group would be a single run; sweep.groups, and --by" in capsys.readouterr().out
