"""Group runs in TensorBoard: written on request or during a sweep, and never runs themselves."""

import time
from pathlib import Path

import pytest
from grids import STUDY, history, write_grid
from scipy import stats
from studies import far, finish, record
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bnrun.recording.metrics import METRICS
from bnrun.recording.tags import band
from bnrun.report.read.runs import find_runs
from bnrun.report.render.tensorboard import write_groups
from bnrun.report_cli import main
from bnrun.sweep.group_runs import updated_group_runs

pytestmark = pytest.mark.usefixtures("here")

LOWER, UPPER = band("")


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
