"""Every job of a sweep is launched once and counted once, whatever the sweep is made of."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sweeps import FATES, counts, ended

from bnrun.config.compose import composed, resolved
from bnrun.sweep.halt import Halt, halting
from bnrun.sweep.outcome import idle_outcome
from bnrun.sweep.plan import Job

GRIDS = st.fixed_dictionaries(
    {
        "estimator": st.lists(
            st.sampled_from(["st", "st.yaml", "./st", "arm", "exact"]), min_size=1
        ),
        "neuron": st.lists(st.sampled_from(["sbn", "dbn"]), min_size=1, max_size=2),
        "optimizer.lr": st.lists(st.sampled_from(["0.1", "1e-1", ".10", "1", "1.0"]), min_size=1),
        "name": st.lists(st.sampled_from(["n1", "n2"]), min_size=1, max_size=2),
    }
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # A sweep takes too long to shrink.
)
@given(GRIDS, st.lists(st.sampled_from(sorted(FATES)), min_size=1, max_size=5), st.booleans())
def test_the_counts_add_up_to_the_jobs_and_each_job_is_launched_once(grid, fates, force):
    words = [f"{key}={','.join(values[:4])}" for key, values in grid.items()]
    words += ["seeds=2", "sweep.skip_invalid=true", "sweep.groups=[]"]
    words += ["resume=force"] * force
    estimators = {
        "arm" if e == "arm" else "exact" if e == "exact" else "st" for e in grid["estimator"][:4]
    }
    rates = {float(rate) for rate in grid["optimizer.lr"][:4]}
    pairs = [(e, n) for e in estimators for n in set(grid["neuron"])]
    valid = [pair for pair in pairs if pair[0] == "st" or pair[1] == "sbn"]
    studies = len(set(grid["name"]))
    number = len(pairs) * len(rates) * studies
    runnable = len(valid) * len(rates) * studies
    with tempfile.TemporaryDirectory() as folder:
        text, launched, error = ended(words, fates, folder)
        if not runnable:
            assert re.search(
                rf"{number} of {number} jobs? cannot be run, so none was started", error
            )
            assert launched == list(Path(folder).iterdir()) == []
            return
        assert len(launched) == len(set(launched)) == runnable
        expected = {"refused": number - runnable} if runnable < number else {}
        for index in range(runnable):
            kind = FATES[fates[index % len(fates)]]
            expected[kind] = expected.get(kind, 0) + 1
        assert counts(text) == (number, expected)
        assert bool(error) == ("failed" in expected)
        # Once more: what has a result is not launched again, unless it is forced.
        again, launched_again, _ = ended(words, ["done"], folder)
        total, kinds = counts(again)
        assert total == number == sum(kinds.values())
        assert set(kinds) <= {"done", "done before", "diverged before", "refused"}
        if force:
            assert sorted(launched_again) == sorted(launched)
            assert kinds["done"] == runnable
        else:
            without = {"failed", "at work elsewhere", "not started"}
            missing = sum(expected.get(kind, 0) for kind in without)
            assert len(launched_again) == kinds.get("done", 0) == missing


def test_a_result_older_than_the_launch_is_not_done_by_it(tmp_path):
    words = ["estimator=st,arm", "seeds=2", "sweep.groups=[]"]
    ended(words, ["done"], tmp_path)
    text, launched, error = ended([*words, "resume=force"], ["done", "killed"], tmp_path)
    assert len(launched) == 2
    assert counts(text) == (2, {"done": 1, "failed": 1})
    assert "1 of 2 jobs failed" in error
    assert "it was not started" in text
    text, _, _ = ended([*words, "name=other"], ["done", "killed"], tmp_path)
    assert "it ended without a result, as if killed" in text


def test_a_job_that_was_to_be_run_again_and_was_not_is_not_done(tmp_path):
    config = resolved(composed(["resume=force"]))
    job = Job([], config, tmp_path, tmp_path, "done")
    assert idle_outcome(job).kind == "not started"
    assert idle_outcome(
        replace(job, config=config | {"resume": "auto"}, status="missing")
    ).kind == ("not started")


def test_jobs_at_work_elsewhere_are_no_failure(tmp_path):
    text, _, error = ended(["estimator=st,arm", "seeds=2"], ["claimed", "done"], tmp_path)
    assert error == ""
    assert counts(text) == (2, {"done": 1, "at work elsewhere": 1})
    assert "at work elsewhere: sbn-st-digits-mlp" in text
    assert "process 1 is working" in text


@pytest.mark.parametrize("word", ["name=n1,n2", "output=oa,ob"])
def test_every_study_of_a_sweep_is_named_and_gets_its_own_files(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["estimator=st,arm", "seeds=2", "sweep.fail_fast=true", word]
    text, _, _ = ended(words, ["done"])
    studies = ["outputs/n1", "outputs/n2"] if "name" in word else ["oa/default", "ob/default"]
    for study in studies:
        assert f"compare: bnrun-report {study}\n" in text
        assert f"curves: tensorboard --logdir {study}\n" in text
        assert (Path(study) / "multirun.yaml").exists()
        names = {path.name for path in Path(study).iterdir()}
        assert not names & {".failed", ".studies"}
    assert "outputs/default" not in text


def test_a_failure_halts_the_jobs_of_every_study():
    with tempfile.TemporaryDirectory() as folder:
        first, second, other = (Path(folder) / name for name in ("a", "b", "c"))
        for study in (first, second, other):
            study.mkdir()
        with halting([first, second]):
            assert not Halt(second).is_called()
            Halt(first).call()
            assert Halt(first).is_called()
            assert Halt(second).is_called()
            assert not Halt(other).is_called()
        assert list(first.iterdir()) == list(second.iterdir()) == []
