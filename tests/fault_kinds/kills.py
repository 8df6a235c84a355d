"""Runs, sweeps and workers that are killed at random moments."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from fault_kinds.children import killed_until_done, timed
from fault_kinds.small_run import OFTEN, RUN, only
from runs import assert_equal_runs, bnrun

from bnrun import cli

SWEEP = ["-m", "estimator=st,arm,disarm", "optimizer.lr=0.1,0.3", "trainer.batch_size=20,50"]
SWEEP += [*RUN[:4], "trainer.steps=10", OFTEN]
POOL = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "resume=force"]
# What a run keeps besides weights, optimizer and random streams.
KINDS = {
    "gan": [
        *("task=gan", "model=generator_mlp", "model.hidden=[8]", "estimator=sigmoid_st"),
        *("task.critic.hidden=[8]", "task.critic_steps=2", "task.first=2", "task.many_steps=3"),
        *("task.every=7", "task.judge_steps=20", "task.images=20", "task.latent=4"),
    ],
    "vae": [
        *("task=vae", "model=vae", "model.latent=[6]", "model.hidden=[5]", "estimator=disarm"),
        "rates={prior:100}",
    ],
    "gated": ["task=gated", "model=gated", "model.hidden=8", "model.gater=5", "estimator=arm"],
    "relax": ["estimator=relax"],
    "nvil": ["estimator=reinforce_nvil", "model.hidden=[6,5]"],
    "schedule": [
        *("estimator=schedule", "estimator.after=23", "estimator.per=step"),
        "estimator@estimator.second=reinforce_nvil",
    ],
    "estimators per layer": [
        *("estimator=rebar", "model.hidden=[6,5]"),
        *("+estimator@layers.2=reinforce_moving_average", "+neuron@layers.2.neuron=sbn"),
    ],
    "recorder.per_seed": ["recorder.per_seed=true"],
    "gradients.every": [
        *("gradients.every=0.3", "gradients.estimators=[st,relax]", "gradients.draws=4"),
        *("gradients.examples=4", "gradients.averages=[2]", "estimator=disarm"),
    ],
    "adamw with cosine": [
        *("optimizer=adamw", "scheduler=cosine", "trainer.schedule_per=step"),
        "scheduler.T_max=60",
    ],
}


def kills(folder: Path, times: int, *words: str) -> str:
    log = folder / "log"
    # Without RUN's hidden layers where a kind has its own.
    fixed = RUN[any(word.startswith("model") for word in words) :]
    longest = timed(lambda: bnrun(folder / "uninterrupted", *fixed, *words), log)
    total = 0
    for number in range(times):
        study = folder / f"killed{number}"
        total += killed_until_done(
            lambda s=study: bnrun(s, *fixed, *words, OFTEN), longest, log, 1 + number % 4
        )
        assert_equal_runs(only(folder / "uninterrupted"), only(study))
        shutil.rmtree(study)
    return f"{times} runs, {total} kills: all equal to the uninterrupted one"


def sweep_kills(folder: Path, times: int) -> str:
    def sweep(name: str) -> None:
        sys.argv = ["bnrun", *SWEEP, f"name={name}", f"output={folder}"]
        cli.main()

    log = folder / "log"
    longest = timed(lambda: sweep("uninterrupted"), log)
    count = killed_until_done(lambda: sweep("killed"), longest / 3, log, times)
    runs = [path.parent for path in (folder / "uninterrupted").glob("*/result.json")]
    assert len(runs) == 12
    for run in runs:
        files = [study / run.name for study in (folder / "uninterrupted", folder / "killed")]
        assert len({(f / "metrics.csv").read_bytes() for f in files}) == 1
        scores = [json.loads((f / "result.json").read_text())["scores"] for f in files]
        assert scores[0] == scores[1]
    return f"12 jobs, {count} kills: every score and history equal"


def pool_kills(folder: Path, times: int) -> str:
    """One worker of joblib killed in each of several sweeps with resume=force."""
    words = ["-m", "bnrun", *SWEEP, *POOL, "name=s", f"output={folder}"]
    log = folder / "log"

    def marks() -> dict[str, int]:
        files = {path.parent.name: path for path in (folder / "s").glob("*/result.json")}
        return {name: path.stat().st_mtime_ns for name, path in files.items()}

    def sweep() -> subprocess.Popen[bytes]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, *words],
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            env=environment,
        )

    def new_since(before: dict[str, int]) -> int:
        return sum(mark != before[name] for name, mark in marks().items())

    assert sweep().wait(600) == 0, log.read_text()
    shutil.copytree(folder / "s", folder / "uninterrupted")
    killed = 0
    for _ in range(times):
        before, process = marks(), sweep()
        count, workers = random.randrange(10), []
        while process.poll() is None and not (workers and new_since(before) >= count):
            time.sleep(random.uniform(0.0, 0.3))
            workers = workers_of(process.pid)
        if workers:
            os.kill(random.choice(workers), signal.SIGKILL)
            killed += 1
        status, text = process.wait(600), log.read_text()
        assert (status, new_since(before)) == (0, 12), text
        assert "sweep of 12 jobs: 12 done\n" in text, text
        for run in (folder / "uninterrupted").glob("*/result.json"):
            assert_equal_runs(run.parent, folder / "s" / run.parent.name)
    return f"{times} sweeps of 12 jobs, {killed} workers killed: every job done again, all equal"


def workers_of(sweep: int) -> list[int]:
    """The processes of joblib's pool that a sweep has started."""
    children = Path(f"/proc/{sweep}/task/{sweep}/children")
    found = [int(pid) for pid in children.read_text().split()] if children.exists() else []
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found}
    return [pid for pid, command in commands.items() if b"popen_loky_posix" in command]
