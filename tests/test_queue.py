"""Jobs that a cluster kills: the others are waited for, and the state in the queue is named."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus

from bnrun.config.compose import composed, resolved
from bnrun.run.claim import claimed, is_claimed
from bnrun.sweep.job_state import JobState
from bnrun.sweep.launch import launch
from bnrun.sweep.outcome import launched_outcome
from bnrun.sweep.plan import Job

core = pytest.importorskip("submitit.core.core")
utils = pytest.importorskip("submitit.core.utils")

TIMED_OUT = "submitit.core.utils.UncompletedJobError: Job not requeued because: timed-out"


@dataclass
class Paths:
    stdout = stderr = Path("log")


class Queued(core.Job):
    """A job of submitit's that has ended, without a queue."""

    task_id, paths, state, _sub_jobs = 0, Paths(), "OUT_OF_MEMORY", ()

    def __init__(self, end):
        self.end = end

    def wait(self):
        pass

    def _get_outcome_and_result(self):
        if self.end == "killed":
            raise utils.UncompletedJobError("has not produced any output")
        if self.end == "raised":
            return "error", f"Traceback\n{TIMED_OUT}"
        return "success", JobReturn(status=JobStatus.COMPLETED)

    def __del__(self):
        pass


class Launcher:
    """Like submitit's, which returns what all jobs answer, in order."""

    def launch(self, overrides, first):
        return [Queued(words[0]).results()[0] for words in overrides]


def test_a_killed_job_is_named_with_its_state_and_the_others_are_waited_for(tmp_path, monkeypatch):
    ends = ["killed", "well", "raised", "well"]
    jobs = []
    for number, end in enumerate(ends):
        folder = tmp_path / str(number)
        folder.mkdir()
        jobs.append(Job([end], {"resume": "auto"}, folder, tmp_path, "missing"))
    genuine = core.Job.results
    with pytest.raises(utils.UncompletedJobError):  # without the module's name, as submitit does
        Launcher().launch([["killed"]], 0)
    monkeypatch.setattr(Launcher, "__module__", "hydra_plugins.hydra_submitit_launcher.launcher")
    launched = launch(Launcher(), jobs, 0, pytest.fail)
    assert core.Job.results is genuine
    statuses = [one.answer.status for one in launched]
    assert [s == JobStatus.COMPLETED for s in statuses] == [end == "well" for end in ends]
    killed, raised = (launched_outcome(launched[n]) for n in (0, 2))
    assert killed.kind == raised.kind == "failed"
    assert killed.text.endswith("as if killed; the queue calls it OUT_OF_MEMORY")
    assert raised.text == TIMED_OUT


def test_a_job_that_is_queued_again_is_not_shown_as_failed(tmp_path):
    config = resolved(composed(["trainer.steps=10"]))
    state = JobState(Job([], config, tmp_path, tmp_path.parent, "missing"), "job", "")

    def end(error):
        with claimed(tmp_path):
            state.look()
            raise error

    with pytest.raises(SystemExit):
        end(SystemExit(-1))  # as submitit does in its handler of the signal
    assert not is_claimed(tmp_path)
    state.look()
    assert state.state == "running"
    with pytest.raises(ValueError, match="wrong"):
        end(ValueError("wrong"))
    state.look()
    assert state.state == "failed"
