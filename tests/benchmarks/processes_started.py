"""Whole processes: start-up, peak memory, and a complete run against its training steps."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from ours import contender, training
from workload import mnist_sized

BNRUN = [sys.executable, "-m", "bnrun"]
COMPLETED = "bnrun estimator="
# Lower bound for any program that uses Hydra.
START = {"python -c 'import hydra'": [sys.executable, "-c", "import hydra"]}
ANSWERS = {
    "bnrun --help": ["--help"],
    f"shell completion of {COMPLETED}": ["-sc", "query=bash"],
    "bnrun trainer.epochs=-1": ["trainer.epochs=-1"],
    "bnrun estimator=nope": ["estimator=nope"],
    "bnrun nosuch=1": ["nosuch=1"],
}


def seconds(command: list[str], folder: str) -> tuple[float, float]:
    """Wall and processor seconds of a process."""
    asked = {"COMP_LINE": COMPLETED, "COMP_POINT": str(len(COMPLETED))}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    subprocess.run(command, cwd=folder, env=os.environ | asked, capture_output=True, check=False)
    wall, after = perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_up(repeats: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor seconds of commands that do not train."""
    commands = START | {name: [*BNRUN, *words] for name, words in ANSWERS.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for name, command in commands.items():
                times[name].append(seconds(command, folder))
    return {
        name: (median(t[0] for t in ts), median(t[1] for t in ts)) for name, ts in times.items()
    }


def peak_memory(seeds: int) -> tuple[float, float]:
    """MiB resident with the data alone, and at most while `seeds` seeds are trained."""
    code = f"import processes_started as p; p.print_peaks({seeds})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = json.loads(done.stdout)
    return before, after


def print_peaks(seeds: int) -> None:
    """Run by `peak_memory` in a child process."""
    data = mnist_sized()
    # Resets Linux's record of the largest resident size.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    contender("", training(data, seeds)).advance(100)
    print(json.dumps([before, _status("VmHWM")]))


def whole_run(seeds: int, epochs: int, examples: int) -> tuple[float, float, float]:
    """Wall seconds of a run, of the same number of steps alone, and the number of steps."""
    data = mnist_sized(examples, held_out=10_000)
    with tempfile.TemporaryDirectory() as folder:
        arrays = {
            f"{name}_{kind}": tensor.numpy()
            for name in ("train", "validation", "test")
            for kind, tensor in getattr(data, name)._asdict().items()
        }
        np.savez(Path(folder) / "data.npz", **arrays)
        words = _words(folder, seeds, epochs)
        start = perf_counter()
        done = subprocess.run([*BNRUN, *words], cwd=folder, capture_output=True, text=True)
        whole = perf_counter() - start
        if done.returncode:
            raise RuntimeError(done.stderr)
        (result,) = Path(folder).glob("outputs/*/*/result.json")
        steps = json.loads(result.read_text())["steps"]
    run = training(data, seeds)
    one = contender("", run)
    one.advance(20)
    start = perf_counter()
    one.advance(steps)
    return whole, perf_counter() - start, steps


def _words(folder: str, seeds: int, epochs: int) -> list[str]:
    return [
        f"seeds={seeds}",
        "dataset=file",
        f"dataset.path={folder}/data.npz",
        "model.hidden=[200]",
        "optimizer=adam",
        "trainer.batch_size=100",
        f"trainer.epochs={epochs}",
    ]


def _status(field: str) -> float:
    """A field of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(field + ":"))
    return int(line.split()[1]) / 1024
