"""Every launcher gives what the sequential sweep gives, and loses no job with a worker."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib.util import find_spec

import pytest
from hydra.core.utils import JobReturn, JobStatus
from joblib.externals.loky import get_reusable_executor

from bnrun.recording.result import RESULT
from bnrun.run.claim import HOLDER
from bnrun.sweep.launch import launch
from bnrun.sweep.plan import Job

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
    assert "skipped 2 of 2 jobs, which are done" in err
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
    assert "a worker was killed while these were running: " in err
    assert "sweep of 3 jobs: 3 done\n" in err
    # Again with results of before, which must not be taken for new ones.
    (tmp_path / "once").unlink()
    files = list(tmp_path.glob("outputs/s/*/result.json"))
    before = [path.stat().st_mtime_ns for path in files]
    status, _, err = sweep(*words, "estimator=st,killer,arm", "resume=force")
    assert status == 0
    assert "a worker was killed while these were running: " in err
    assert "sweep of 3 jobs: 3 done\n" in err
    after = [path.stat().st_mtime_ns for path in files]
    assert len(files) == 3
    assert all(new > old for new, old in zip(after, before, strict=True))


@installed("joblib")
def test_fail_fast_starts_no_job_that_the_launcher_already_has(sweep, tmp_path):
    words = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1", "sweep.fail_fast=true"]
    for _ in range(2):  # The second sweep tries the failed job again.
        status, _, err = sweep(*words, "trainer.batch_size=5000,50,20")
        assert status == 1
        assert "trainer.batch_size=5000 does not fit" in err
        assert "sweep of 3 jobs: 1 failed, 2 not started" in err
        assert histories(tmp_path) == {}
    status, _, err = sweep(*words, "trainer.batch_size=50,20")
    assert status == 0
    assert "sweep of 2 jobs: 2 done" in err


@installed("joblib")
@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_stopped_sweep_leaves_no_worker_behind_and_a_checkpoint_each(number, group, tmp_path):
    """Ctrl-C reaches the workers too, `kill` the first process alone."""
    words = ["-m", "estimator=st,arm,disarm", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    words += ["model.hidden=[6]", "seeds=[3,7]", "trainer.log_every=1", "trainer.epochs=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bnrun", *words],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    study = tmp_path / "outputs" / "default"
    wait_until(lambda: sum(p.stat().st_size > 50 for p in study.glob("*/times.csv")) == 2)
    (os.killpg if group else os.kill)(process.pid, number)
    out, _ = process.communicate(timeout=120)  # The workers hold the pipe until they have ended.
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert "bnrun: interrupted; run the same command again to resume" in out
    assert "Traceback" not in out
    assert len(list(study.glob("*/run.log"))) == len(list(study.glob("*/checkpoint.pt"))) == 2
    assert all("stopped after step" in path.read_text() for path in study.glob("*/run.log"))


def wait_until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_missing_launcher_is_reported_with_the_extra_that_installs_it():
    from bnrun.config.sentence import missing_launcher

    class_name = "hydra_plugins.hydra_{0}_launcher.{0}_launcher.Launcher"
    for plugin, extra in (("joblib", "joblib"), ("submitit", "slurm"), ("ray", "ray")):
        error = RuntimeError(f"Unknown plugin class : '{class_name.format(plugin)}'")
        assert f'pip install "bnrun[{extra}]"' in missing_launcher(error)
    assert missing_launcher(RuntimeError("something else")) is None


@dataclass
class Pool:
    """A fake launcher with two workers, which breaks while a job in `kills` is running.

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
        found.append(Job([folder], {"resume": "force"}, folder, tmp_path, "missing"))
    return found


def test_a_worker_killed_once_costs_nothing(jobs):
    pool = Pool({"c": 1})
    said = []
    answers = [one.answer for one in launch(pool, jobs, 0, said.append)]
    assert pool.batches == [["a", "b", "c", "d"], ["c", "d"]]
    assert all(answer.status != JobStatus.FAILED for answer in answers)
    assert all(job.done for job in jobs)
    assert said == ["a worker was killed while these were running: c, d; launching what is left"]


def test_a_job_that_was_running_twice_is_launched_alone_and_only_the_killer_fails(jobs):
    pool = Pool({"a": 99})
    answers = [one.answer for one in launch(pool, jobs, 0, lambda text: None)]
    assert pool.batches == [["a", "b", "c", "d"], ["a", "b", "c", "d"], ["c", "d"], ["a"], ["b"]]
    assert [answer.status for answer in answers].count(JobStatus.FAILED) == 1
    assert answers[0].status == JobStatus.FAILED
    assert [job.done for job in jobs] == [False, True, True, True]


def test_a_pool_that_breaks_before_any_job_starts_is_abandoned(jobs):
    class Broken:
        launched = 0

        def launch(self, overrides, first):
            self.launched += 1
            raise BrokenProcessPool

    pool = Broken()
    answers = [one.answer for one in launch(pool, jobs, 0, lambda text: None)]
    assert pool.launched == 2
    assert len(answers) == 4
    assert not any(job.done for job in jobs)
