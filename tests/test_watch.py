"""A running sweep shows what its jobs are doing, read from their folders."""

import contextlib
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from bnrun.config.duration import duration
from bnrun.recording.metrics import MetricsFile
from bnrun.recording.result import RESULT
from bnrun.run.claim import HOLDER
from bnrun.sweep.best import Best
from bnrun.sweep.screen import Trials
from bnrun.sweep.watch import watched


@dataclass(frozen=True)
class Job:
    folder: Path
    length: tuple[str, float] = ("step", 100.0)

    @property
    def was_pruned(self) -> Path:
        return self.folder / "pruned"

    @property
    def pruned(self) -> bool:
        return self.was_pruned.exists()

    def begin(self, steps: int = 0, sweep: str = "") -> None:
        (self.folder / HOLDER).write_text(f"process 1 on here\n{sweep}")
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
    jobs = [Job(tmp_path / name) for name in ("first", "second", "third")]
    for job in jobs:
        job.folder.mkdir()
    return jobs


def lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def file_console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_without_a_terminal_each_job_that_ends_is_one_line(jobs: list[Job]) -> None:
    console = file_console()
    with watched(jobs, console, in_turn=False) as watch:
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
    console = file_console()
    with contextlib.suppress(KeyboardInterrupt), watched(jobs, console, in_turn=True) as watch:
        jobs[0].begin()
        watch.look()
        jobs[0].end(well=False)
        raise KeyboardInterrupt
    assert lines(console) == [
        "sweep stopped: 0 of 3 done, 1 unfinished, 2 not started; run the same command again to "
        "resume"
    ]


def test_a_job_that_failed_at_once_is_noticed_when_the_next_one_starts(jobs: list[Job]) -> None:
    for in_turn, expected in (
        (False, []),
        (True, ["failed: first (0 of 3 done, 1 running, 1 failed)"]),
    ):
        console = file_console()
        with watched(jobs, console, in_turn) as watch:
            jobs[1].begin()
            watch.look()
            shown = lines(console)
            jobs[1].end()
        assert shown == expected
        (jobs[1].folder / RESULT).unlink()


def result(scores: list[float], score: str = "accuracy", larger: bool = True) -> str:
    goal = {"score": score, "way": None, "larger_is_better": larger}
    found = {"seeds": [0, 1], "goal": goal, "way": "sampled", "config": {"choices": {}}}
    found |= {"scores": {"validation": {score: {"sampled": scores}}}}
    return json.dumps(found | {"diverged": {}, "steps": 3, "seconds": 1.0})


def test_the_best_run_so_far_is_the_one_with_the_best_mean_on_validation(tmp_path: Path) -> None:
    best, texts = Best(), []
    results = {
        "diverged": result([0.9, math.nan]),
        "first": result([0.5, 0.7]),
        "worse": result([0.5, 0.6]),
        "better": result([0.6, 0.7]),
        "other": result([9.0, 9.0], "f1"),
        "damaged": "{}",
    }
    for name, text in results.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / RESULT).write_text(text)
        best.add(tmp_path / name, name)
        texts.append(best.text)
    first = "best validation accuracy sampled 0.6: first"
    better = "best validation accuracy sampled 0.65: better"
    assert texts == ["", first, first, better, better, better]


def test_less_is_better_where_the_goal_says_so(tmp_path: Path) -> None:
    best = Best()
    for name, value in (("more", 2.0), ("less", 1.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / RESULT).write_text(result([value, value], "nll", larger=False))
        best.add(tmp_path / name, name)
    assert best.text == "best validation nll sampled 1: less"


def test_files_of_an_earlier_sweep_are_ignored(jobs: list[Job]) -> None:
    jobs[0].end()  # a result that resume=force replaces
    jobs[1].begin()  # left by a process that was killed
    console = file_console()
    with watched(jobs, console, in_turn=False):
        pass
    assert lines(console) == []


def test_the_time_left_is_extrapolated_from_the_progress_since_the_start(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs[0].begin(steps=50)  # of an earlier sweep, which must not count
    clock = iter([0.0])
    monkeypatch.setattr("bnrun.sweep.watch.time.monotonic", lambda: next(clock, 60.0))
    # The thread would use the same clock.
    monkeypatch.setattr("bnrun.sweep.watch.EVERY", 1e6)
    console = file_console()
    with watched(jobs, console, in_turn=False) as watch:
        jobs[0].end()
        watch.look()
    # Half a job in a minute, two to go.
    assert lines(console) == ["done: first (1 of 3 done, about 4 min left)"]


def test_a_job_that_runs_for_another_sweep_is_elsewhere(jobs: list[Job]) -> None:
    console = file_console()
    with watched(jobs, console, in_turn=True, sweep="here 1") as watch:
        jobs[0].begin(sweep="there 2")
        jobs[1].begin(sweep="here 1")
        watch.look()
        jobs[0].end()
        jobs[1].end()
    assert lines(console) == ["done: second (1 of 3 done, 1 elsewhere, about 0 s left)"]


def test_a_job_that_was_passed_over_while_a_process_works_on_it_is_not_called_failed(
    jobs: list[Job],
) -> None:
    jobs[0].begin()
    console = file_console()
    with watched(jobs, console, in_turn=True) as watch:
        jobs[1].begin()
        watch.look()
        jobs[1].end()
    assert [line.split(" (")[0] for line in lines(console)] == ["done: second"]


@pytest.mark.parametrize("width", [20, 80, 200])
def test_any_name_of_a_folder_is_shown_on_one_line_without_markup(
    tmp_path: Path, width: int
) -> None:
    name = "[bold]x :smile: \x1b[2J\n" + 150 * "y"
    job = Job(tmp_path / name)
    job.folder.mkdir()
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with watched([job], console, in_turn=False) as watch:
        job.begin(steps=40)
        watch.look()
        watch.screen._progress.refresh()
        shown = console.file.getvalue()
    assert "\x1b[2J" not in shown
    assert "[bold]x" in shown or width == 20
    console = Console(file=io.StringIO(), width=width)
    with watched([job], console, in_turn=False):
        job.end()
    (line,) = lines(console)
    assert line.startswith(r"done: [bold]x :smile: \x1b[2J\nyyy")


def test_in_a_terminal_the_sweep_and_each_running_job_have_a_bar(jobs: list[Job]) -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with watched(jobs, console, in_turn=False) as watch:
        jobs[0].begin()
        jobs[0].end()
        jobs[1].begin(steps=40)
        watch.look()
        watch.screen._progress.refresh()
        shown = console.file.getvalue()
        jobs[1].end()
    assert "1 of 3 done, 1 running, about" in shown
    assert "second" in shown
    assert "40 %" in shown
    assert "first" not in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")]
)
def test_a_duration_is_rounded(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_in_a_terminal_a_search_has_bars_that_leave_only_a_line_for_each_trial(
    jobs: list[Job],
) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    trials = Trials(console, total=5)
    trials.count(2)  # done before
    for job in jobs:
        with watched([job], console, in_turn=True, trials=trials) as watch:
            job.begin(steps=50)
            watch.look()
            assert watch.jobs[0].share == 0.5
            job.end()
        trials.count(1)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", "\n".join(lines(console)))
    assert re.findall(r"trial \d of \d \w+: \w+", plain) == [
        "trial 3 of 5 done: first",
        "trial 4 of 5 done: second",
        "trial 5 of 5 done: third",
    ]
    assert "4 of 5 trials" in plain
    assert trials.stopped.startswith("search stopped: 5 of 5 trials ended")


def test_a_trial_that_was_pruned_between_two_looks_is_named(tmp_path: Path) -> None:
    console = file_console()
    trials = Trials(console, total=3)
    for name in ("first", "second", "third"):
        job = Job(tmp_path / name)
        job.folder.mkdir()
        if name == "third":
            job.was_pruned.touch()  # and is run again, by resume=force
        with watched([job], console, in_turn=True, trials=trials) as watch:
            if name == "first":
                watch.look()
                job.was_pruned.touch()
            else:
                job.begin()
                job.end()
        trials.count(1)
    assert lines(console) == [
        "trial 1 of 3 pruned: first",
        "trial 2 of 3 done: second",
        "trial 3 of 3 done: third",
    ]


def test_outside_a_search_no_job_is_asked_whether_it_was_pruned(jobs: list[Job]) -> None:
    console = file_console()
    with watched(jobs[:1], console, in_turn=True):
        jobs[0].was_pruned.touch()
    assert lines(console) == []
