"""A sweep of 40 jobs on a Ray cluster, disturbed: `python tests/clusters/ray_cluster.py`.

The cluster is a head without cores and two nodes of one core, all on this machine. It kills two
workers and one node, and compares every run with that of the sequential sweep. Needs bnrun[ray].
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from forty_jobs import JOBS, FortyJobs
from slurm_cluster import free_ports, wait_until

RAY = [str(Path(sys.executable).with_name("ray"))]
MEMORY = ["--object-store-memory=100000000", "--disable-usage-stats"]


class RayCluster:
    """A head and two nodes; `environment` lets a sweep join them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nodes: list[subprocess.Popen[bytes]] = []
        (port,) = free_ports(1)
        self._address = f"127.0.0.1:{port}"
        self.environment = os.environ | {"RAY_ADDRESS": self._address}

    def start(self) -> None:
        port = self._address.rpartition(":")[2]
        head = ["--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"]
        self._start(*head, f"--temp-dir={self._folder}")
        for _ in range(2):
            self._start(f"--address={self._address}", "--num-cpus=1")

    def kill_node(self) -> None:
        """Kill the last node with all its processes."""
        node = self._nodes.pop()
        subprocess.run(["pkill", "-KILL", "--session", str(node.pid)], check=False)
        node.wait()

    def kill_worker(self) -> bool:
        """Kill a process that runs a job; False if there is none."""
        for node in random.sample(self._nodes[1:], len(self._nodes) - 1):
            found = subprocess.run(
                ["pgrep", "--session", str(node.pid), "-f", "^ray::_run_job"],
                capture_output=True,
                text=True,
                check=False,
            ).stdout.split()
            if found:
                return subprocess.run(["kill", "-9", found[0]], check=False).returncode == 0
        return False

    def stop(self) -> None:
        while self._nodes:
            self.kill_node()

    def _status(self) -> str:
        return subprocess.run(
            [*RAY, "status", f"--address={self._address}"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    def _start(self, *words: str) -> None:
        node = subprocess.Popen(
            [*RAY, "start", "--block", *MEMORY, *words],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=(self._folder / "log").open("a"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._nodes.append(node)
        wait_until(lambda: self._status().count(" node_") == len(self._nodes), seconds=200)


def main() -> None:
    """Run both sweeps, compare them, and print what was done."""
    random.seed(0)
    done: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="ray") as name:
        folder = Path(name)
        jobs = FortyJobs(folder, steps=600)
        assert jobs.start("sequential").wait() == 0, jobs.log("sequential")
        (folder / "c").mkdir()
        cluster = RayCluster(folder / "c")
        try:
            cluster.start()
            words = ["hydra/launcher=ray", "hydra.launcher.ray.init.address=auto"]
            sweep = jobs.start("ray", *words, environment=cluster.environment)
            while sweep.poll() is None:
                time.sleep(4)
                if done["worker"] < 2 and len(jobs.finished("ray")) > 3:
                    done["worker"] += cluster.kill_worker()
                elif done["node"] < 1 and len(jobs.finished("ray")) > 15:
                    cluster.kill_node()
                    done["node"] += 1
            print(jobs.log("ray"))
            assert sweep.returncode == 0
        finally:
            cluster.stop()
        jobs.assert_equal("sequential", "ray")
    print(f"killed: {dict(done)}; {JOBS} jobs equal to the sequential sweep")


if __name__ == "__main__":
    main()
