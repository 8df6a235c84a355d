"""Tests and speed on a CUDA device, as Markdown: python tests/benchmarks/gpu.py

Runs the tests marked `gpu`. Then times training steps of the 784-200-10 net against loop (b), a
torch.nn net with data in the device's memory and fused Adam. Prints milliseconds of wall time per
step, and per step and seed: medians of alternating repeats. The aim is 100 seeds in at most twice
the time of one seed of (b). `--device cpu` tries the script with less work and without the tests.
"""

import argparse
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import loops
import ours
import torch
from stopwatch import Contender, race, ratio
from workload import EXAMPLES, WIDTHS, mnist_sized

from bnrun.data.base import Data
from bnrun.training.device import move

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Size:
    """How much to measure, chosen to take less than five minutes on a GPU."""

    seeds: tuple[int, ...]
    examples: int
    repeats: int
    seconds: float


SIZES = {
    "cuda": Size(seeds=(1, 8, 32, 100), examples=EXAMPLES, repeats=9, seconds=0.5),
    "cpu": Size(seeds=(1, 3), examples=1_000, repeats=2, seconds=0.02),
}


def synchronized(contender: Contender, device: torch.device) -> Contender:
    """The same contender, timed until the device has finished."""

    def advance(steps: int) -> None:
        contender.advance(steps)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return Contender(contender.name, contender.seeds, advance)


def contenders(data: Data, seeds: int, device: torch.device) -> list[Contender]:
    """Loop (b) with one seed; bnrun with `seeds`, without and with a graph."""
    net = loops.plain_mlp(WIDTHS).to(device)
    plain = ours.contender("bnrun", ours.training(data, seeds))
    captured = ours.contender(
        "bnrun, trainer.capture=true", ours.training(data, seeds, capture=True)
    )
    return [
        synchronized(one, device) for one in (loops.in_memory(net, data.train), plain, captured)
    ]


def rows(device: torch.device, size: Size) -> Iterator[list[str]]:
    """One row per number of seeds and contender."""
    data = move(mnist_sized(size.examples), device)
    for seeds in size.seeds:
        baseline, *runs = contenders(data, seeds, device)
        race([baseline, *runs], size.repeats, size.seconds)
        for one in (baseline, *runs):
            per_step = one.milliseconds * one.seeds
            times = ratio(one, baseline) * one.seeds
            yield [
                str(one.seeds),
                one.name,
                f"{per_step:.3f}",
                f"{one.milliseconds:.4f}",
                f"{times:.2f}",
            ]


def run_tests() -> int:
    """Run the tests that need the device; returns their exit status."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", str(TESTS)]
    print(f"### Tests\n\n```\n{' '.join(command[1:])}", flush=True)
    status = subprocess.run(command, cwd=TESTS.parent, check=False).returncode
    print("```\n")
    return status


def main() -> int:
    """Print tests and table; returns 0 only if there is a device and its tests pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=SIZES, default="cuda")
    device = torch.device(parser.parse_args().device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            "gpu.py: no CUDA device, or torch was built without CUDA; "
            "--device cpu tries the script without one",
            file=sys.stderr,
        )
        return 2
    start = perf_counter()
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    print(f"{name}, torch {torch.__version__}, Python {platform.python_version()}\n", flush=True)
    status = run_tests() if device.type == "cuda" else 0
    print("### Steps\n\n| R | what | ms per step | ms per seed-step | of one seed of (b) |")
    print("|---|---|---|---|---|")
    for row in rows(device, SIZES[device.type]):
        print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n{perf_counter() - start:.0f} seconds in total")
    return status


if __name__ == "__main__":
    sys.exit(main())
