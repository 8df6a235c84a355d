"""A Slurm cluster of one node on this machine, in a temporary folder.

Its daemons need root and Debian's packages slurmctld, slurmd, slurmdbd, slurm-client, munge and
mariadb-server. The database is for sacct, which submitit asks about jobs that left no result.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

DATABASE = """
CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';
GRANT ALL ON *.* TO 'slurm'@'127.0.0.1';
"""

SLURMDBD = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={dbd_port}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql_port}
StorageUser=slurm
StoragePass=slurm
"""

# A requeued job waits for as long as a credential lives, which is two minutes by default.
SLURM = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctl_port}
SlurmdPort={d_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={dbd_port}
AccountingStoragePass={folder}/munge.socket
JobAcctGatherType=jobacct_gather/none
OverTimeLimit=0
KillWait=5
MinJobAge=300
MaxArraySize={most_jobs}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=8000 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=1 State=UP
PartitionName=long Nodes={host} MaxTime=60 State=UP
"""


class SlurmCluster:
    """The daemons; `environment` makes Slurm's commands talk to them.

    folder     for their files; its path must be short, because it holds sockets
    most_jobs  above the largest index that an array may have
    """

    def __init__(self, folder: Path, most_jobs: int) -> None:
        self._folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        names = ["sql_port", "dbd_port", "ctl_port", "d_port"]
        self._values = dict(zip(names, free_ports(len(names)), strict=True)) | {
            "folder": folder,
            "host": socket.gethostname().split(".")[0],
            "cores": os.cpu_count(),
            "most_jobs": most_jobs,
        }
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        for name, text in (("slurm", SLURM), ("slurmdbd", SLURMDBD)):
            path = self._folder / f"{name}.conf"
            path.write_text(text.format(**self._values))
            path.chmod(0o600)
        for name in ("state", "spool", "data"):
            (self._folder / name).mkdir()
        self._start_munged()
        self._start_database()
        self._start("slurmdbd", "slurmdbd", "-D")
        wait_until(lambda: self.succeeds("sacctmgr", "-n", "show", "cluster"))
        self.start_controller()
        self._start("slurmd", "slurmd", "-D")
        wait_until(lambda: "idle" in self.output("sinfo", "-h", "-o", "%T"))

    def start_controller(self) -> None:
        self._start("slurmctld", "slurmctld", "-D")
        wait_until(lambda: self.succeeds("scontrol", "ping"))

    def kill_controller(self) -> None:
        daemon = self._daemons.pop("slurmctld")
        daemon.kill()
        daemon.wait()

    def stop(self) -> None:
        """End the jobs, then the daemons; each needs those that were started before it."""
        self.succeeds("scancel", "--user=root")
        with suppress(AssertionError):
            wait_until(lambda: not self.output("squeue", "-h"))
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def output(self, *command: str) -> str:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        ).stdout

    def succeeds(self, *command: str) -> bool:
        quiet = subprocess.DEVNULL
        ended = subprocess.run(
            command, env=self.environment, stdout=quiet, stderr=quiet, check=False
        )
        return ended.returncode == 0

    def _start_munged(self) -> None:
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = {
            "key-file": key,
            "socket": self._folder / "munge.socket",
            "pid-file": self._folder / "munge.pid",
            "log-file": self._folder / "munge.log",
            "seed-file": self._folder / "munge.seed",
        }
        words = [f"--{name}={path}" for name, path in files.items()]
        self._start("munged", "munged", "--foreground", "--force", *words)
        wait_until(files["socket"].exists)

    def _start_database(self) -> None:
        data, first = self._folder / "data", self._folder / "first.sql"
        first.write_text(DATABASE)
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root"],
            check=True,
            capture_output=True,
        )
        words = [f"--datadir={data}", "--user=root", "--bind-address=127.0.0.1"]
        words += [f"--port={self._values['sql_port']}", "--skip-name-resolve"]
        words += [f"--socket={self._folder / 'sql.socket'}", f"--init-file={first}"]
        words += ["--innodb-buffer-pool-size=64M", f"--pid-file={self._folder / 'sql.pid'}"]
        self._start("mariadbd", "mariadbd", "--no-defaults", *words)
        wait_until((self._folder / "sql.pid").exists)

    def _start(self, name: str, *command: str) -> None:
        log = (self._folder / f"{name}.out").open("ab")
        self._daemons[name] = subprocess.Popen(
            command,
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def free_ports(number: int) -> list[int]:
    """Ports that no process listens at; all are held until the last one is known."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)
