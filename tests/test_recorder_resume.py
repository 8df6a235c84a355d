"""A resumed run has the files of an uninterrupted one."""

from pathlib import Path

import pytest
from recordings import SEEDS, curve, events, run, training

from bnrun.recording.history import read_metrics
from bnrun.recording.metrics import METRICS
from bnrun.recording.recorder import Recorder
from bnrun.recording.tags import SPEED


@pytest.mark.parametrize("per_seed", [False, True])
def test_a_resumed_run_leaves_the_files_of_an_uninterrupted_one(
    tmp_path: Path, per_seed: bool
) -> None:
    run(tmp_path / "whole", training(range(30)), per_seed=per_seed)
    parts = [(range(13), None), (range(9, 21), 8), (range(18, 22), 17), (range(18, 30), 17)]
    for steps, resume_step in parts:
        run(tmp_path / "parts", training(steps), per_seed=per_seed, resume_step=resume_step)
    whole, parts_ = (events(tmp_path / name) for name in ("whole", "parts"))
    assert whole.Tags()["scalars"] == parts_.Tags()["scalars"]
    assert SPEED in whole.Tags()["scalars"]
    for tag in whole.Tags()["scalars"]:
        assert curve(tmp_path / "whole", tag) == curve(tmp_path / "parts", tag)
    if per_seed:
        tag = "loss/train"
        assert curve(tmp_path / "whole/seed=4", tag) == curve(tmp_path / "parts/seed=4", tag)
    assert (tmp_path / "whole" / METRICS).read_bytes() == (
        tmp_path / "parts" / METRICS
    ).read_bytes()


def test_a_tag_that_does_not_recur_keeps_no_points_after_the_resumed_step(
    tmp_path: Path,
) -> None:
    run(tmp_path, training(range(13)))
    run(tmp_path, training(range(7, 8)), resume_step=6)
    assert [step for step, _ in curve(tmp_path, "accuracy/test/sampled")] == [0, 4]


def test_curves_are_unbroken_even_if_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, training(range(9)))
    monkeypatch.setattr("time.time", lambda: 1_000_000.0)
    run(tmp_path, training(range(5, 12)), resume_step=4)
    assert [step for step, _ in curve(tmp_path, "loss/train")] == list(range(12))


def test_a_torn_event_file_loses_only_its_last_record(tmp_path: Path) -> None:
    run(tmp_path, training(range(9)))
    (file,) = tmp_path.glob("events.*")
    file.write_bytes(file.read_bytes()[:-10])
    run(tmp_path, training(range(6, 12)), resume_step=5)
    assert [step for step, _ in curve(tmp_path, "loss/train")] == list(range(12))


def test_a_restarted_run_drops_the_earlier_one(tmp_path: Path) -> None:
    run(tmp_path, training(range(9)), per_seed=True)
    run(tmp_path, training(range(3)), per_seed=True)
    assert [step for step, _ in curve(tmp_path, "loss/train")] == [0, 1, 2]
    assert [step for step, _ in curve(tmp_path / "seed=3", "loss/train")] == [0, 1, 2]
    assert len(read_metrics(tmp_path).filter(tag="loss/train")) == 9


def test_resuming_without_a_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="restart it from step 0"):
        Recorder(tmp_path, SEEDS, resume_step=3)
    assert not list(tmp_path.iterdir())
