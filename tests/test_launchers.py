"""Every launcher gives what the sequential sweep gives, and loses no job with a worker."""

from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib.util import find_spec

import pytest
from hydra.core.utils import JobReturn, JobStatus
from joblib.externals.loky import get_reusable_executor

from bnrun.jobs.claim import HOLDER
from bnrun.jobs.launch import launch
from bnrun.jobs.plan import Job
from bnrun.recording.result import RESULT

# bnrun keeps it from users itself, but pytest has filters of its own.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*validated against ConfigStore schema")

LAUNCHERS = {"joblib": "joblib", "submitit_local": "submitit", "ray": "ray"}
EXTRAS = {"joblib": "joblib", "submitit_local": "slurm", "ray": "ray"}


def installed(launcher):
    plugin = f"hydra_plugins.hydra_{LAUNCHERS[launcher]}_launcher"
    reason = f"needs the launcher: pip install -e .[{EXTRAS[launcher]}]"
    return pytest.mark.skipif(find_spec(plugin) is None, reason=reason)


def histories(folder):
    return {path.parent.name: path.read_bytes() for path in folder.glob("outputs/s/*/metrics.csv")}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Histories of the sequential sweep, once it has been done."""
    return {}


@pytest.fixture(autouse=True)
def _no_old_workers():
    """Joblib's workers outlive a sweep, and would know nothing of the next test's folder."""
    yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


GOOD = ["estimator=arm", "trainer.batch_size=50,20"]
ONE_FAILS = ["estimator=arm", "trainer.batch_size=5000,50,20"]


@pytest.mark.parametrize("launcher", [pytest.param(k, marks=installed(k)) for k in LAUNCHERS])
def test_a_launcher_gives_the_bytes_of_the_sequential_sweep(launcher, sweep, tmp_path, shared):
    if not shared:
        assert sweep(*GOOD, f"output={tmp_path / 'one' / 'outputs'}")[0] == 0
        shared.update(histories(tmp_path / "one"))
    status, _, err = sweep(*ONE_FAILS, f"hydra/launcher={launcher}")
    assert status == 1
    reason = "trainer.batch_size=5000 does not fit"
    assert any(line.startswith("failed: sbn-arm-") and reason in line for line in err.splitlines())
    assert "sweep of 3 jobs: 2 done, 1 failed" in err
    assert len(shared) == 2
    assert histories(tmp_path) == shared
    status, _, err = sweep(*GOOD, f"hydra/launcher={launcher}")
    assert status == 0
    assert "2 of 2 jobs were done before" in err
    assert histories(tmp_path) == shared


@installed("joblib")
def test_a_killed_worker_costs_no_job_its_result(sweep, tmp_path, monkeypatch):
    (tmp_path / "killer.py").write_text(
        "import os, pathlib, signal\n"
        "import bnrun\n\n\n"
        "@bnrun.validated\n"
        "class Killer(bnrun.Estimator):\n"
        "    def __call__(self, logits, downstream, noise):\n"
        f"        once = pathlib.Path({str(tmp_path / 'once')!r})\n"
        "        if not once.exists():\n"
        "            once.touch()\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return downstream(self.neuron.probability(logits))\n"
    )
    config = tmp_path / "mine" / "estimator"
    config.mkdir(parents=True)
    (config / "killer.yaml").write_text("_target_: killer.Killer\nneuron: ${neuron}\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = ["--config-dir", "mine", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    status, _, err = sweep(*words, "estimator=st,killer,arm")
    assert status == 0
    assert "a worker was killed while at work were: " in err
    assert "sweep of 3 jobs: 3 done" in err


@dataclass
class Pool:
    """Stands for a launcher with two workers, which breaks where a job in `kills` is at work.

    kills  how often each job kills its worker
    """

    kills: dict[str, int]
    batches: list[list[str]] = field(default_factory=list)

    def launch(self, overrides, first):
        names = [words[0].name for words in overrides]
        self.batches.append(names)
        for pair in zip(*[iter([words[0] for words in overrides] + [None])] * 2, strict=False):
            at_work = [folder for folder in pair if folder is not None]
            for folder in at_work:
                (folder / HOLDER).write_text(str(len(self.batches)))
            killers = [f.name for f in at_work if self.kills.get(f.name, 0) > 0]
            for name in killers:
                self.kills[name] -= 1
            if killers:
                raise BrokenProcessPool("a process in the pool was terminated")
            for folder in at_work:
                (folder / HOLDER).unlink()
                (folder / RESULT).write_text("{}")
        return [JobReturn(status=JobStatus.COMPLETED) for _ in overrides]


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(Job, "done", property(lambda job: (job.folder / RESULT).exists()))
    found = []
    for name in "abcd":
        folder = tmp_path / name
        folder.mkdir()
        found.append(Job([folder], {}, folder, "missing"))
    return found


def test_a_worker_killed_once_costs_nothing(jobs):
    pool = Pool({"c": 1})
    said = []
    answers = launch(pool, jobs, 0, said.append)
    assert pool.batches == [["a", "b", "c", "d"], ["c", "d"]]
    assert all(answer.status != JobStatus.FAILED for answer in answers)
    assert all(job.done for job in jobs)
    assert said == ["a worker was killed while at work were: c, d; going on with what is not done"]


def test_what_was_at_work_twice_goes_on_alone_and_only_the_killer_fails(jobs):
    pool = Pool({"a": 99})
    answers = launch(pool, jobs, 0, lambda text: None)
    assert pool.batches == [["a", "b", "c", "d"], ["a", "b", "c", "d"], ["c", "d"], ["a"], ["b"]]
    assert [answer.status for answer in answers].count(JobStatus.FAILED) == 1
    assert answers[0].status == JobStatus.FAILED
    assert [job.done for job in jobs] == [False, True, True, True]


def test_a_pool_that_breaks_before_any_job_begins_is_given_up(jobs):
    class Broken:
        launched = 0

        def launch(self, overrides, first):
            self.launched += 1
            raise BrokenProcessPool

    pool = Broken()
    answers = launch(pool, jobs, 0, lambda text: None)
    assert pool.launched == 2
    assert len(answers) == 4
    assert not any(job.done for job in jobs)
