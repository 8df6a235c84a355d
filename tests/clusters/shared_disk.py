"""Two mounts of one shared disk: `python tests/clusters/shared_disk.py /mnt/a /mnt/b`.

Checks that a lock taken through one mount holds in the other and goes with its process, that a
replaced file is never seen half-written, and that a sweep of 40 jobs which runs through both mounts
at the same time, with one of its processes killed, gives the files of the sequential sweep.
nfs.sh runs this on an NFS server and client inside a virtual machine.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout
from forty_jobs import JOBS, FortyJobs

from bnrun.recording.files import replaced

HOLD = "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); "
HOLD += "lock.acquire(); print('held', flush=True); time.sleep(1000)"
WRITE = "import sys; from pathlib import Path; from bnrun.recording.files import replaced\n"
WRITE += "for n in range(300):\n"
WRITE += "    with replaced(Path(sys.argv[1])) as part: part.write(f'{n}\\n'.encode() * 5000)\n"


def check_lock(first: Path, second: Path) -> float:
    """Seconds from the death of a lock's holder until the lock can be taken elsewhere."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, first / "lock"], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        with FileLock(second / "lock", timeout=0):
            raise AssertionError("two processes hold one lock")
    except Timeout:
        pass
    began = time.monotonic()
    holder.send_signal(signal.SIGKILL)
    with FileLock(second / "lock", timeout=120):
        return time.monotonic() - began


def check_replacing(first: Path, second: Path) -> tuple[int, int]:
    """How often a file was read while another process replaced it, and how often it had changed."""
    with replaced(first / "file") as part:
        part.write(b"0\n" * 5000)
    writer = subprocess.Popen([sys.executable, "-c", WRITE, first / "file"])
    reads, versions = 0, set()
    while writer.poll() is None:
        text = (second / "file").read_text()
        assert len(set(text.split())) == 1, "a file was seen half-written"
        assert len(text.split()) == 5000, "a file was seen half-written"
        reads += 1
        versions.add(text.split()[0])
    assert writer.returncode == 0
    return reads, len(versions)


def check_sweep(local: Path, first: Path, second: Path) -> int:
    """How many processes were started until both mounts had nothing left to do; one is killed."""
    jobs = FortyJobs(local, steps=300)
    assert jobs.start("sequential").wait() == 0, jobs.log("sequential")
    outputs = [str(first / "shared"), str(second / "shared")]
    sweeps = {output: jobs.start(output) for output in outputs}
    started, killed = 2, False
    while sweeps:
        time.sleep(1)
        if not killed and len(jobs.finished(outputs[0])) >= JOBS // 4:
            sweeps[outputs[0]].kill()
            killed = True
        for output, sweep in list(sweeps.items()):
            status = sweep.poll()
            if status == 0:
                del sweeps[output]
            elif status is not None:
                assert status == -signal.SIGKILL, jobs.log(output)
                sweeps[output] = jobs.start(output)
                started += 1
    print(
        "\n".join(line for o in outputs for line in jobs.log(o).splitlines() if "sweep of" in line)
    )
    jobs.assert_equal("sequential", outputs[1])
    return started


def main() -> None:
    """Do all checks and print what was found."""
    first, second = map(Path, sys.argv[1:])
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    print(f"lock: free {check_lock(first, second):.2f} s after its holder was killed", flush=True)
    reads, versions = check_replacing(first, second)
    print(f"replaced file: {reads} reads of {versions} versions, none half-written", flush=True)
    with tempfile.TemporaryDirectory() as local:
        started = check_sweep(Path(local), first, second)
    print(f"sweep: {JOBS} jobs equal to the sequential sweep, {started} processes, one killed")


if __name__ == "__main__":
    main()
