"""A run that was stopped, killed or made longer ends like an uninterrupted one."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partialmethod
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from runs import assert_equal_runs, bnrun, crashed

from bnrun.config.errors import DivergedError, UserError
from bnrun.estimators.reinforce import Reinforce
from bnrun.run.checkpoint import DamagedError, Header
from bnrun.run.claim import claimed
from bnrun.run.folder import remove_unused
from bnrun.run.resume import _check_history

RUN = ["model.hidden=[6]", "trainer.log_every=1", "trainer.evaluate_every=0.2", "seeds=[3,7]"]
RUN += ["estimator=reinforce_nvil", "optimizer=adam", "scheduler=step", "scheduler.step_size=1"]
STEPS = "trainer.steps=40"
OFTEN = "checkpoint.every_steps=7"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return bnrun(tmp_path_factory.mktemp("whole"), *RUN, STEPS)


def test_a_run_that_crashed_three_times_equals_an_uninterrupted_one(whole, tmp_path):
    for step in (3, 15, 39):
        crashed(tmp_path, step, *RUN, STEPS, OFTEN)
    assert_equal_runs(whole, bnrun(tmp_path, *RUN, STEPS, OFTEN))


def test_a_crash_between_the_last_checkpoint_and_the_result_costs_nothing(whole, tmp_path):
    run = bnrun(tmp_path, *RUN, STEPS)
    (run / "result.json").unlink()
    assert_equal_runs(whole, bnrun(tmp_path, *RUN, STEPS))


def test_a_longer_run_resumes_from_a_shorter_one_and_leaves_it_alone(whole, tmp_path, capfd):
    shorter = bnrun(tmp_path, *RUN, "trainer.steps=20")
    before = {path.name: path.read_bytes() for path in shorter.iterdir() if path.is_file()}
    longer = bnrun(tmp_path, *RUN, STEPS)
    assert f"resuming from step 19 of the shorter run {shorter.name}" in capfd.readouterr().err
    assert longer != shorter
    assert_equal_runs(whole, longer)
    assert before == {path.name: path.read_bytes() for path in shorter.iterdir() if path.is_file()}


def test_a_damaged_checkpoint_falls_back_to_the_previous_one(whole, tmp_path, capfd):
    run = crashed(tmp_path, 30, *RUN, STEPS, OFTEN)
    flip(run / "checkpoint.pt")
    bnrun(tmp_path, *RUN, STEPS, OFTEN)
    err = capfd.readouterr().err
    assert "checkpoint.pt is damaged" in err
    assert "using checkpoint.previous.pt of step 21 instead" in err
    assert "instead" in (run / "run.log").read_text()
    assert_equal_runs(whole, run)


def test_two_damaged_checkpoints_are_refused_unless_resume_is_never(tmp_path):
    run = crashed(tmp_path, 15, *RUN, STEPS, OFTEN)
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        flip(run / name)
    with pytest.raises(UserError, match="no other checkpoint; use resume=never to restart"):
        bnrun(tmp_path, *RUN, STEPS, OFTEN)
    bnrun(tmp_path, *RUN, STEPS, OFTEN, "resume=never")


def test_a_checkpoint_whose_history_lost_lines_is_not_used(whole, tmp_path, capfd):
    run = crashed(tmp_path, 15, *RUN, STEPS, OFTEN)
    path = run / "metrics.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith((b"13,", b"14,", b"15,"))]
    path.write_bytes(b"".join(kept))
    bnrun(tmp_path, *RUN, STEPS, OFTEN)
    assert "metrics.csv has lost" in capfd.readouterr().err
    assert_equal_runs(whole, run)


def test_a_history_of_which_only_the_size_is_known_must_not_be_shorter(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(b"12345")
    header = Header(config={}, data={}, history={"metrics.csv": 5})
    _check_history(tmp_path, tmp_path / "checkpoint.pt", header)
    header = Header(config={}, data={}, history={"metrics.csv": 6})
    with pytest.raises(DamagedError, match=r"metrics\.csv has lost 1 bytes"):
        _check_history(tmp_path, tmp_path / "checkpoint.pt", header)


def test_a_torn_last_line_of_the_history_is_written_again(whole, tmp_path):
    run = crashed(tmp_path, 17, *RUN, STEPS, OFTEN)
    with (run / "metrics.csv").open("ab") as file:
        file.write(b"18,0.7")
    assert_equal_runs(whole, bnrun(tmp_path, *RUN, STEPS, OFTEN))


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(tmp_path):
    run = crashed(tmp_path / "a", 15, *RUN, STEPS, OFTEN)
    other = [*RUN, STEPS, OFTEN, "trainer.batch_size=20"]
    target = crashed(tmp_path / "b", 15, *other)
    (target / "checkpoint.pt").write_bytes((run / "checkpoint.pt").read_bytes())
    with pytest.raises(UserError, match=r"trainer\.batch_size is 50 there and 20 here"):
        bnrun(tmp_path / "b", *other)


def test_a_checkpoint_of_code_that_has_changed_is_refused_in_words(tmp_path, monkeypatch):
    crashed(tmp_path, 15, *RUN, STEPS, OFTEN)

    def changed(estimator, state):
        raise RuntimeError("Missing key(s) in state_dict: gain.")

    monkeypatch.setattr(Reinforce, "load_state_dict", changed)
    with pytest.raises(
        UserError, match=r"step 14 does not fit the current .*Missing key.*resume=n"
    ):
        bnrun(tmp_path, *RUN, STEPS, OFTEN)
    monkeypatch.undo()
    bnrun(tmp_path, *RUN, STEPS, OFTEN)


def test_another_version_of_torch_is_reported(tmp_path, monkeypatch, capfd):
    crashed(tmp_path, 15, *RUN, STEPS, OFTEN)
    monkeypatch.setattr(Header, "__init__", partialmethod(Header.__init__, torch="9.9"))
    bnrun(tmp_path, *RUN, STEPS, OFTEN)
    assert "this is torch 9.9: the last bits may differ" in capfd.readouterr().err


def test_what_a_killed_process_left_half_written_is_removed(whole, tmp_path):
    run = crashed(tmp_path, 15, *RUN, STEPS, OFTEN)
    for name in (".checkpoint.pt.77.part", ".result.json.78.part"):
        (run / name).write_bytes(b"half")
    bnrun(tmp_path, *RUN, STEPS, OFTEN)
    assert not list(run.glob(".*.part"))
    assert_equal_runs(whole, run)


def test_resume_never_auto_and_force(tmp_path, capfd):
    short = [*RUN, "trainer.steps=4"]
    run = bnrun(tmp_path, *short)
    first = (run / "result.json").stat().st_mtime_ns
    for resume in ("auto", "never"):
        bnrun(tmp_path, *short, f"resume={resume}")
        assert "skipped, because it is done" in capfd.readouterr().err
    assert (run / "result.json").stat().st_mtime_ns == first
    bnrun(tmp_path, *short, "resume=force")
    assert (run / "result.json").stat().st_mtime_ns != first
    (run / "result.json").unlink()
    bnrun(tmp_path, *short)
    assert "resuming from step 4" in capfd.readouterr().err
    (run / "result.json").unlink()
    bnrun(tmp_path, *short, "resume=never")
    assert "resuming" not in capfd.readouterr().err


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path):
    run = crashed(tmp_path, 2, *RUN, STEPS)
    with claimed(run), pytest.raises(UserError, match=f"process {os.getpid()} on .* is working"):
        bnrun(tmp_path, *RUN, STEPS)
    assert bnrun(tmp_path, *RUN, STEPS) == run


def test_a_folder_that_another_process_has_just_locked_is_not_removed(tmp_path):
    with FileLock(tmp_path / ".lock"):  # before the holder has written its name
        remove_unused(tmp_path)
    assert (tmp_path / ".lock").exists()
    remove_unused(tmp_path)
    assert not tmp_path.exists()


def test_a_run_whose_replicas_all_diverge_ends_early_and_says_so_each_time(tmp_path):
    words = ["neuron=real", "estimator=backprop", "optimizer.lr=1e38", "trainer.log_every=5"]
    for _ in range(2):
        with pytest.raises(DivergedError, match="every seed diverged, so the run ended at step 5"):
            bnrun(tmp_path, *words, "seeds=2")
    (path,) = tmp_path.glob("*/result.json")
    assert len(json.loads(path.read_text())["diverged"]) == 2


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def start(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "bnrun", *RUN, *words],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_checkpoint_of_the_last_step(number, status, tmp_path):
    process = start(tmp_path, "trainer.epochs=100000")
    runs = tmp_path / "outputs" / "default"
    wait_until(lambda: any(path.stat().st_size > 50 for path in runs.glob("*/times.csv")))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "stopping after this step; a second signal stops at once" in err
    assert "run the same command again to resume" in err
    assert "Traceback" not in err
    (run,) = runs.iterdir()
    step = torch.load(run / "checkpoint.pt", weights_only=True)["training"]["step"]
    assert (run / "times.csv").read_text().splitlines()[-1].startswith(f"{step},")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux")
def test_a_signal_during_the_imports_ends_the_start(tmp_path):
    process = start(tmp_path)

    def listens():
        lines = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(lines.partition("SigCgt:")[2].split()[0], 16)
        return caught & 1 << signal.SIGTERM - 1

    wait_until(listens)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "bnrun: interrupted; run the same command again to resume"
