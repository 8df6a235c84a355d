"""Tests and speed on a CUDA device, in Markdown: python tests/benchmarks/gpu.py

Runs the tests marked `gpu`, then times the trainer's steps of the 784-200-10 net against loop (b),
a net of torch.nn with data in the device's memory and fused Adam: milliseconds of wall time per
step and per step and seed, medians of repeats taken in turn. The aim: 100 seeds in at most twice
the time of one seed by (b). `--device cpu` runs it small and without the tests, to try the script.
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
from bnrun.run.build import place

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Size:
    """How much is measured, so that all of it takes less than five minutes on a GPU."""

    seeds: tuple[int, ...]
    examples: int
    repeats: int
    seconds: float


SIZES = {
    "cuda": Size(seeds=(1, 8, 32, 100), examples=EXAMPLES, repeats=9, seconds=0.5),
    "cpu": Size(seeds=(1, 3), examples=1_000, repeats=2, seconds=0.02),
}


def waited(contender: Contender, device: torch.device) -> Contender:
    """The same, timed until the device has done its work."""

    def advance(steps: int) -> None:
        contender.advance(steps)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return Contender(contender.name, contender.seeds, advance)


def contenders(data: Data, seeds: int, device: torch.device) -> list[Contender]:
    """Loop (b) with one seed; ours with `seeds`, step by step and as a graph."""
    net = loops.plain_mlp(WIDTHS).to(device)
    plain = ours.contender("bnrun", ours.training(data, seeds))
    captured = ours.contender(
        "bnrun, trainer.capture=true", ours.training(data, seeds, capture=True)
    )
    return [waited(one, device) for one in (loops.in_memory(net, data.train), plain, captured)]


def rows(device: torch.device, size: Size) -> Iterator[list[str]]:
    """One row for each number of seeds and each contender."""
    data = place(mnist_sized(size.examples), device)
    for seeds in size.seeds:
        single, *mine = contenders(data, seeds, device)
        race([single, *mine], size.repeats, size.seconds)
        for one in (single, *mine):
            per_step = one.milliseconds * one.seeds
            times = ratio(one, single) * one.seeds
            yield [
                str(one.seeds),
                one.name,
                f"{per_step:.3f}",
                f"{one.milliseconds:.4f}",
                f"{times:.2f}",
            ]


def tested() -> int:
    """Run the tests that need the device; their exit status."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", str(TESTS)]
    print(f"### Tests\n\n```\n{' '.join(command[1:])}", flush=True)
    status = subprocess.run(command, cwd=TESTS.parent, check=False).returncode
    print("```\n")
    return status


def main() -> int:
    """Print all; status 0 only if there is a device and its tests pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=SIZES, default="cuda")
    device = torch.device(parser.parse_args().device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            "gpu.py: there is no CUDA device here, or torch was built without CUDA; "
            "--device cpu tries the script without one",
            file=sys.stderr,
        )
        return 2
    start = perf_counter()
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    print(f"{name}, torch {torch.__version__}, Python {platform.python_version()}\n", flush=True)
    status = tested() if device.type == "cuda" else 0
    print("### Steps\n\n| R | who | ms per step | ms per seed-step | time of one seed by (b) |")
    print("|---|---|---|---|---|")
    for row in rows(device, SIZES[device.type]):
        print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n{perf_counter() - start:.0f} seconds in all")
    return status


if __name__ == "__main__":
    sys.exit(main())
