"""A sweep runs the jobs that are missing, refuses invalid ones, and reports those that failed."""

import json
import re

import pytest
from conftest import TINY

from bnrun.run.claim import claimed
from bnrun.run.keeper import Keeper

GRID = ["estimator=st,arm", "optimizer.lr=0.1,0.3"]


def results(folder):
    return {path.parent.name: path for path in (folder / "outputs" / "s").glob("*/result.json")}


def test_the_same_sweep_runs_only_what_is_missing(sweep, tmp_path):
    assert sweep(*GRID)[0] == 0
    before = {name: path.stat().st_mtime_ns for name, path in results(tmp_path).items()}
    assert len(before) == 4
    missing = min(before)
    results(tmp_path)[missing].unlink()
    status, _, err = sweep(*GRID)
    assert status == 0
    assert "skipped 3 of 4 jobs, which are done" in err
    assert "sweep of 4 jobs: 1 done, 3 done before" in err
    after = {name: path.stat().st_mtime_ns for name, path in results(tmp_path).items()}
    assert {name for name in after if after[name] != before[name]} == {missing}


def test_a_forced_sweep_runs_every_job_again(sweep, tmp_path):
    words = ["estimator=st,arm"]
    sweep(*words)
    before = {name: path.stat().st_mtime_ns for name, path in results(tmp_path).items()}
    status, _, err = sweep(*words, "resume=force")
    assert status == 0
    assert "sweep of 2 jobs: 2 done\n" in err
    after = {name: path.stat().st_mtime_ns for name, path in results(tmp_path).items()}
    assert after.keys() == before.keys()
    assert all(after[name] > before[name] for name in after)


def test_a_job_that_another_process_is_working_on_is_no_failure(sweep, tmp_path):
    words = ["estimator=st,arm,disarm", "sweep.fail_fast=true"]
    assert sweep(*words)[0] == 0
    first, *others = results(tmp_path).values()
    for path in (first, *others[:1]):
        path.unlink()
    with claimed(first.parent):
        status, _, err = sweep(*words)
    assert status == 0
    assert "sweep of 3 jobs: 1 done, 1 done before, 1 at work elsewhere" in err
    assert f"at work elsewhere: {first.parent.name}: " in err
    assert "failed" not in err
    status, _, err = sweep(*words)
    assert status == 0
    assert "sweep of 3 jobs: 1 done, 2 done before" in err


def test_the_studies_of_one_sweep_are_all_named(command, tmp_path):
    words = ["-m", "name=n1,n2", "trainer.batch_size=20,50", "estimator=st,arm", *TINY[:-1]]
    status, _, err = command(*words)
    assert status == 0
    assert "sweep of 8 jobs: 8 done" in err
    for study in ("n1", "n2"):
        assert f"compare: bnrun-report outputs/{study}\n" in err
        assert f"curves: tensorboard --logdir outputs/{study}\n" in err
        assert f"group runs: tensorboard --logdir outputs/{study}/groups\n" in err
        assert err.count(f"done: outputs/{study}/sbn-") == 4
        assert (tmp_path / "outputs" / study / "multirun.yaml").exists()
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {"n1", "n2"}


def test_a_failure_in_one_study_halts_the_other(command, tmp_path):
    words = ["-m", "trainer.batch_size=5000,50", "name=n1,n2", "sweep.fail_fast=true", *TINY[:-1]]
    status, _, err = command(*words)
    assert status == 1
    assert "sweep of 4 jobs: 1 failed, 3 not started" in err
    assert not list(tmp_path.glob("outputs/*/*/result.json"))


def test_a_job_that_fails_is_named_and_the_others_are_done(sweep, tmp_path):
    # That a batch of 5000 does not fit is known only once the data are read.
    status, _, err = sweep("trainer.batch_size=5000,50,20")
    assert status == 1
    assert "failed: sbn-sigmoid_st-digits-mlp" in err
    assert "trainer.batch_size=5000 does not fit" in err
    assert "sweep of 3 jobs: 2 done, 1 failed" in err
    assert len(results(tmp_path)) == 2


def test_a_crash_inside_a_job_is_named_with_its_log(sweep, tmp_path, monkeypatch):
    def after_step(keeper):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(Keeper, "after_step", after_step)
    status, _, err = sweep("optimizer.lr=0.1")
    assert status == 1
    (log,) = (tmp_path / "outputs" / "s").glob("*/run.log")
    assert f"test_sweep.py, line {after_step.__code__.co_firstlineno + 1}) ({log})" in err
    assert "broken on purpose" in err
    assert "Traceback" in log.read_text()


def test_fail_fast_stops_at_the_first_failure(sweep, tmp_path):
    status, _, err = sweep("trainer.batch_size=5000,50,20", "sweep.fail_fast=true")
    assert status == 1
    assert "sweep of 3 jobs: 1 failed, 2 not started" in err
    assert results(tmp_path) == {}


def test_an_invalid_pairing_is_refused_before_anything_starts(sweep, tmp_path):
    words = ["neuron=dbn,sbn", "estimator=st,exact", "optimizer.lr=0.1"]
    status, _, err = sweep(*words)
    assert status == 1
    assert "Exact does not support neuron DBN" in err
    assert "1 of 4 jobs cannot be run, so none was started" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.hidden=[-5],[6]", "model.hidden.0=-5: should be greater than 0"),
        ("optimizer.momentum=x,0.9", "optimizer: SGD rejected"),
        ("dataset.validation=0,100", "dataset.validation=0: should be greater than 0"),
        ("checkpoint.every_steps=3,5", "duplicate of an earlier job"),
    ],
)
def test_mistakes_that_need_no_data_are_refused_before_anything_starts(
    word, message, command, tmp_path
):
    status, _, err = command("-m", word, "trainer.steps=2", "seeds=1")
    assert status == 1
    assert message in err
    assert "1 of 2 jobs cannot be run, so none was started" in err
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_lists_and_changes_nothing(sweep, tmp_path):
    sweep("optimizer.lr=0.1")
    before = sorted(tmp_path.rglob("*"))
    status, out, _ = sweep("optimizer.lr=0.1,0.3,-1", "sweep.dry_run=true")
    assert status == 0
    words = [line.split()[0] for line in out.splitlines()]
    assert words[:3] == ["done", "missing", "refused"]
    assert re.search(r"3 jobs: 1 done, 1 missing, 1 refused; about \d+ s left with one w", out)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_diverged_job_is_done_and_named_each_time(sweep, tmp_path):
    words = ["neuron=real", "estimator=backprop", "optimizer.lr=0.1,1e38"]
    for before in ("", " before"):
        status, _, err = sweep(*words)
        assert status == 0
        assert re.search(r"diverged: real-backprop-digits-mlp.*: 2 of 2 seeds \(3, 7\)", err)
        assert f"sweep of 2 jobs: 1 done{before}, 1 diverged{before}" in err
    counts = [len(json.loads(path.read_text())["diverged"]) for path in results(tmp_path).values()]
    assert sorted(counts) == [0, 2]


def test_a_sweep_prints_one_line_per_job(sweep):
    status, out, err = sweep("optimizer.lr=0.1,0.3")
    assert status == 0
    assert out == ""
    best = [line for line in err.splitlines() if line.startswith("best validation accuracy ")]
    assert 1 <= len(best) <= 2
    first, second, groups, last, compare, curves, address = (
        line for line in err.splitlines() if line not in best
    )
    assert groups.startswith("no group runs: ")
    assert first.startswith("done: sbn-sigmoid_st-digits-mlp-")
    assert "(1 of 2 done" in first or "(2 of 2 done)" in first
    assert second.endswith("(2 of 2 done)")
    assert last == "sweep of 2 jobs: 2 done"
    assert compare == "compare: bnrun-report outputs/s"
    assert curves == "curves: tensorboard --logdir outputs/s"
    assert address.endswith("http://localhost:6006/?smoothing=0#timeseries")
