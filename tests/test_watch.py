"""The one view of a running sweep tells from the folders what its jobs are doing."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from bnrun.recording.metrics import MetricsFile
from bnrun.recording.result import RESULT
from bnrun.run.claim import HOLDER
from bnrun.sweep.watch import Watch, duration


@dataclass(frozen=True)
class Job:
    folder: Path
    length: tuple[str, float] = ("step", 100.0)

    def begin(self, steps: int = 0) -> None:
        (self.folder / HOLDER).write_text("process 1 on here")
        if steps:
            file = MetricsFile(self.folder, [0])
            file.append(steps, steps / 10, 1.0, {"loss/train": [0.5]})
            file.close()

    def end(self, well: bool = True) -> None:
        (self.folder / HOLDER).unlink(missing_ok=True)
        if well:
            (self.folder / RESULT).write_text("{}")


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    found = [Job(tmp_path / name) for name in ("first", "second", "third")]
    for job in found:
        job.folder.mkdir()
    return found


def lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_without_a_terminal_each_job_that_ends_is_one_line(jobs: list[Job]) -> None:
    console = quiet()
    with Watch(jobs, console, in_turn=False) as watch:
        jobs[0].begin()
        jobs[1].begin()
        watch.look()
        jobs[0].end()
        watch.look()
        watch.look()
        jobs[1].end(well=False)
    first, second = lines(console)
    assert first.startswith("done: first (1 of 3 done, 1 running, about ")
    assert second.startswith("failed: second (1 of 3 done, 1 failed, about ")


def test_a_job_that_ctrl_c_has_ended_is_not_called_failed(jobs: list[Job]) -> None:
    console = quiet()
    with contextlib.suppress(KeyboardInterrupt), Watch(jobs, console, in_turn=True) as watch:
        jobs[0].begin()
        watch.look()
        jobs[0].end(well=False)
        raise KeyboardInterrupt
    assert lines(console) == []


def test_a_job_that_failed_too_fast_to_be_seen_is_known_by_the_next_one(jobs: list[Job]) -> None:
    for in_turn, told in (
        (False, []),
        (True, ["failed: first (0 of 3 done, 1 running, 1 failed)"]),
    ):
        console = quiet()
        with Watch(jobs, console, in_turn) as watch:
            jobs[1].begin()
            watch.look()
            found = lines(console)
            jobs[1].end()
        assert found == told
        (jobs[1].folder / RESULT).unlink()


def test_what_lay_in_a_folder_before_is_no_job_of_this_sweep(jobs: list[Job]) -> None:
    jobs[0].end()  # a result that resume=force does again
    jobs[1].begin()  # left by a process that was killed
    console = quiet()
    with Watch(jobs, console, in_turn=False):
        pass
    assert lines(console) == []


def test_the_time_left_follows_from_what_was_gained_since_the_start(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs[0].begin(steps=50)  # of an earlier sweep, which must not count
    clock = iter([0.0])
    monkeypatch.setattr("bnrun.sweep.watch.time.monotonic", lambda: next(clock, 60.0))
    # The thread would look at the same clock.
    monkeypatch.setattr("bnrun.sweep.watch.EVERY", 1e6)
    console = quiet()
    with Watch(jobs, console, in_turn=False) as watch:
        jobs[0].end()
        watch.look()
    # Half a job in a minute, two to go.
    assert lines(console) == ["done: first (1 of 3 done, about 4 min left)"]


def test_in_a_terminal_the_sweep_and_each_running_job_have_a_bar(jobs: list[Job]) -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with Watch(jobs, console, in_turn=False) as watch:
        jobs[0].begin()
        jobs[0].end()
        jobs[1].begin(steps=40)
        watch.look()
        watch._screen._progress.refresh()
        shown = console.file.getvalue()
        jobs[1].end()
    assert "1 of 3 done, 1 running, about" in shown
    assert "second" in shown
    assert "40 %" in shown
    assert "first" not in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")]
)
def test_a_duration_is_rounded_to_what_matters(seconds: float, text: str) -> None:
    assert duration(seconds) == text
