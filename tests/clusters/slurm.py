"""A sweep of 40 jobs on a real Slurm, disturbed: `python tests/clusters/slurm.py`, as root.

It kills jobs and the controller, lets jobs run out of time, runs the same command until nothing is
missing, and compares every run with that of the sequential sweep.
"""

import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from forty_jobs import JOBS, FortyJobs
from slurm_cluster import SlurmCluster

WORDS = [
    *("hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=1"),
    *("hydra.launcher.signal_delay_s=5", "hydra.launcher.array_parallelism=2"),
    *("hydra.sweeper.max_batch_size=22", "hydra.launcher.mem_gb=2"),
]
PARTITIONS = ["short", "long"]
SECONDS_BETWEEN_FAULTS = 4.0
LONG_STEPS = 45_000
"""They take more than a minute, the time limit, on the machine of docs/speed.md."""


def disturb(cluster: SlurmCluster, sweep: subprocess.Popen[str], done: Counter[str]) -> None:
    """Break something every few seconds until the sweep ends, the controller only once."""
    faults = ["kill -9", "scancel", "scancel --signal=USR2", "scancel --signal=KILL"] * 4
    random.shuffle(faults)
    faults.insert(4, "controller killed")
    while sweep.poll() is None:
        time.sleep(SECONDS_BETWEEN_FAULTS * random.uniform(0.5, 1.5))
        if not faults:
            continue
        if faults[0] == "controller killed":
            cluster.kill_controller()
            time.sleep(5)
            cluster.start_controller()
        elif not harm_a_job(cluster, faults[0]):
            continue
        done[faults.pop(0)] += 1


def harm_a_job(cluster: SlurmCluster, fault: str) -> bool:
    """Do `fault` to a running job; False if there is none, or it has just ended."""
    running = cluster.output("squeue", "-h", "-t", "running", "-o", "%i").split()
    if not running:
        return False
    job = random.choice(running)
    if fault != "kill -9":
        return cluster.succeeds(*fault.split(), job)
    number = cluster.output("scontrol", "listpids", job)
    for process in re.findall(r"^(\d+)", number, flags=re.MULTILINE):
        command = Path("/proc", process, "cmdline")
        if command.exists() and b"submitit.core._submit" in command.read_bytes():
            return cluster.succeeds("kill", "-9", process)
    return False


def main() -> None:
    """Run both sweeps, compare them, and print what was done."""
    random.seed(0)
    done: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="slurm") as name:
        folder = Path(name)
        folder.chmod(0o755)  # munge wants others to reach its socket
        jobs = FortyJobs(folder, steps=LONG_STEPS)
        assert jobs.start("sequential").wait() == 0, jobs.log("sequential")
        (folder / "c").mkdir(mode=0o755)
        cluster = SlurmCluster(folder / "c", most_jobs=100)
        cluster.start()
        try:
            rounds = 0
            while True:
                partition = f"hydra.launcher.partition={PARTITIONS[rounds % 2]}"
                sweep = jobs.start("slurm", *WORDS, partition, environment=cluster.environment)
                if rounds == 0:
                    disturb(cluster, sweep, done)
                rounds += 1
                if sweep.wait() == 0:
                    break
                assert rounds < 5, jobs.log("slurm")
            ended = cluster.output("sacct", "-n", "-X", "-D", "-o", "state%20", "-S", "00:00")
            states = Counter(line.split()[0] for line in ended.splitlines())
        finally:
            print(jobs.log("slurm"))
            cluster.stop()
        jobs.assert_equal("sequential", "slurm")
    print(f"faults: {dict(done)}; states of jobs: {dict(states)}")
    print(f"{JOBS} jobs equal to the sequential sweep, after {rounds} times the same command")


if __name__ == "__main__":
    main()
