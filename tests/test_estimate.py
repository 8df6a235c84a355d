"""How long the rest of a sweep takes is estimated from the histories that can be read."""

from pathlib import Path

from studies import record

from bnrun.sweep.estimate import time_left
from bnrun.sweep.plan import Job


def job(folder: Path, status: str, steps: int) -> Job:
    trainer = {"steps": steps, "epochs": 1}
    return Job([], {"trainer": trainer, "resume": "auto"}, folder, folder.parent, status)


def history(folder: Path) -> None:
    """Steps 0, 10 and 20, half a second for each ten."""
    folder.mkdir()
    record(folder, {"loss/train": [[0.0], [0.0], [0.0]]}, 1)


def test_the_time_left_is_that_of_the_missing_steps(tmp_path):
    history(tmp_path / "done")
    jobs = [job(tmp_path / "done", "done", 20), job(tmp_path / "new", "missing", 1000)]
    assert time_left(jobs) == "about 50 s left with one worker"


def test_a_damaged_history_says_nothing_about_the_time(tmp_path):
    for name in ("done", "damaged"):
        history(tmp_path / name)
    with (tmp_path / "damaged" / "metrics.csv").open("a") as file:
        file.write("garbage\n")
    jobs = [job(tmp_path / name, "done", 20) for name in ("done", "damaged")]
    jobs.append(job(tmp_path / "new", "missing", 1000))
    assert time_left(jobs) == "about 50 s left with one worker"
    assert time_left(jobs[:2]) == "nothing is left to run"
    assert time_left(jobs[1:]) == "no estimate of the time, because no step has been measured yet"
