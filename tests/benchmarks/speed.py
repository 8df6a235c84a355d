"""The speed tables, as Markdown: python tests/benchmarks/speed.py [--quick] [--busy] [--only PART].

Milliseconds are per step and seed. Contenders are timed alternately; times and ratios (bnrun /
other) are medians over the repeats. JAX takes part if it is installed (the extra `bench`). Other
work on the machine makes wall times worthless, so the load is printed with them; on a busy machine
--busy measures the processor time of one thread instead.
"""

import argparse
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from time import perf_counter, process_time

import costs
import floor
import loops
import ours
import processes_started
import residual
import small_jobs
import torch
from processes import worker_processes
from stopwatch import Contender, race, ratio, spread
from workload import DEEP, EXAMPLES, WIDTHS, mnist_sized

from bnrun.core.products import set_product_dtype
from bnrun.models.cnn import CNN
from bnrun.models.resnet import ResNet

try:
    import jax_nets
    import jax_rival
except ImportError:
    jax_rival = None


class Size:
    """How much to measure."""

    def __init__(self, quick: bool, busy: bool) -> None:
        self.busy = busy
        self.repeats = 3 if quick else 15
        self.seeds = (1, 8) if quick else (1, 8, 32)
        self.examples = 10_000 if quick else EXAMPLES
        self.epochs = 2 if quick else 10

    def race(self, contenders: Sequence[Contender], seconds: float = 0.2) -> None:
        """Time the contenders; with --busy by processor time."""
        race(contenders, self.repeats, seconds, process_time if self.busy else perf_counter)


def rivals(widths: Sequence[int], size: Size, seeds: Sequence[int]) -> Iterator[list[str]]:
    """One row per number of seeds and contender."""
    data = mnist_sized(size.examples)
    workers = nullcontext() if size.busy else worker_processes(widths, size.examples)
    with workers as pair:
        for count in seeds:
            own = ours.contender("bnrun", ours.training(data, count, ours.mlp(widths)))
            others = [
                loops.data_loader(loops.plain_mlp(widths), data.train),
                loops.in_memory(loops.plain_mlp(widths), data.train),
                *([] if pair is None else [replace(pair, times=[])]),
                *_jax(widths, data, count),
                floor.products(widths, count),
            ]
            size.race([own, *others])
            yield from _rows(count, own, others)


def growth(size: Size) -> Iterator[list[str]]:
    """Cost per step and seed by the number of seeds."""
    data = mnist_sized(size.examples)
    counts = (1, 8, 32) if size.repeats < 10 else (1, 4, 8, 16, 32, 64, 128)
    runs = [ours.contender("bnrun", ours.training(data, count)) for count in counts]
    size.race(runs)
    best = min(runs, key=lambda run: run.milliseconds)
    for run in runs:
        yield [str(run.seeds), f"{run.milliseconds:.2f}", f"{ratio(run, best):.2f}"]


def images(size: Size) -> Iterator[list[str]]:
    """The CNN and ResNet-8 against JAX, and against their convolutions and products alone."""
    data = mnist_sized(5_000)
    nets = (
        ("cnn", CNN(), floor.CNN, floor.CNN_DENSE),
        ("resnet", ResNet(), floor.RESNET, (64, 10)),
    )
    for name, model, layers, dense in nets:
        for count in (1, 8):
            own = ours.contender("bnrun", ours.training(data, count, model))
            others = [*_jax(name, data, count), floor.convolutions(layers, dense, count)]
            size.race([own, *others], seconds=0.5)
            yield from ([name, *row] for row in _rows(count, own, others))


def convolutions(size: Size) -> Iterator[list[str]]:
    """Eight replicas at once against eight separate nets."""
    data = mnist_sized(5_000)
    own = ours.contender("bnrun", ours.training(data, 8, CNN()))
    plain = [loops.in_memory(loops.plain_cnn(), data.train) for _ in range(8)]
    single = [ours.contender("", ours.training(data, 1, CNN())) for _ in range(8)]
    others = [
        loops.several("eight nn.Module, loop (b)", plain),
        loops.several("eight runs of bnrun", single),
    ]
    size.race([own, *others], seconds=0.5)
    yield from _rows(8, own, others)


def estimators(size: Size) -> Iterator[list[str]]:
    """Steps of other estimators: time relative to sigmoid_st, in total and per evaluation."""
    data = mnist_sized(size.examples)
    steps = costs.by_estimator(data, seeds=8, units=200)
    size.race([run for run, _ in steps])
    first = steps[0][0]
    for (run, count), name in zip(steps, costs.NAMES, strict=True):
        times = ratio(run, first)
        yield [name, str(count), f"{run.milliseconds:.2f}", f"{times:.2f}", f"{times / count:.2f}"]


def draws(size: Size) -> Iterator[list[str]]:
    """Gradient draws of the instrument, at once and in turn."""
    at_once, in_turn = costs.draws(mnist_sized(1_000))
    size.race([at_once, in_turn])
    for run in (at_once, in_turn):
        yield [run.name, f"{run.milliseconds:.1f}", f"{ratio(run, at_once):.1f}"]


def denormals(size: Size) -> Iterator[list[str]]:
    """A step of a net with saturated units against one without."""
    usual, large = costs.denormals()
    size.race([usual, large])
    for run in (usual, large):
        yield [run.name, f"{run.milliseconds:.2f}", f"{ratio(run, usual):.2f}"]


def options(size: Size) -> Iterator[list[str]]:
    """Steps with trainer.products=bfloat16 or trainer.compile=true, and of JAX, and plain ones."""
    data = mnist_sized(size.examples)
    for count in (1, 8):
        plain = ours.contender("plain", ours.training(data, count))
        low = ours.training(data, count)
        set_product_dtype(low.model, torch.bfloat16)
        compiled = ours.training(data, count, compiled=True)
        compiled.rehearse()
        runs = [
            plain,
            ours.contender("trainer.products=bfloat16", low),
            ours.contender("trainer.compile=true", compiled),
            *_jax(WIDTHS, data, count)[:1],
        ]
        size.race(runs)
        for run in runs:
            yield [str(count), run.name, f"{run.milliseconds:.3f}", f"{ratio(run, plain):.2f}"]


def any_module(size: Size) -> Iterator[list[str]]:
    """`bnrun.Binary`, `bnrun.estimate` and model=module with plain PyTorch nets."""
    data = mnist_sized(5_000)
    for name, own, other in (
        *residual.layer_pairs(data.train),
        *residual.estimate_pairs(data.train),
        *residual.module_pairs(data, (1, 3)),
    ):
        size.race([own, other])
        yield [
            *(name, own.name, f"{own.milliseconds:.2f}"),
            *(other.name, f"{other.milliseconds:.2f}"),
            *(f"{ratio(own, other):.2f}", "{:.2f} to {:.2f}".format(*spread(own, other))),
        ]


def processes(size: Size) -> Iterator[list[str]]:
    """Start-up, peak memory, and a complete run."""
    for name, (wall, cpu) in processes_started.start_up(size.repeats).items():
        yield [name, f"{wall:.2f} s wall, {cpu:.2f} s of processor"]
    for seeds in size.seeds:
        before, after = processes_started.peak_memory(seeds)
        yield [
            f"peak resident, R = {seeds}",
            f"{after:.0f} MiB, of which {before:.0f} with the data alone",
        ]
    whole, steps, count = processes_started.whole_run(5, size.epochs, size.examples)
    limit = 1.1 * steps + 2.5
    yield [
        f"bnrun, 5 seeds, {count} steps",
        f"{whole:.1f} s; its steps alone {steps:.1f} s, so the aim is {limit:.1f} s",
    ]


def jobs(size: Size) -> Iterator[list[str]]:
    """Sweeps of small jobs, against their steps and evaluations alone in one process."""
    for name, whole, steps, evaluations in small_jobs.sweeps():
        limit = 1.15 * steps + 0.3 * small_jobs.JOBS
        rest = (whole - steps - evaluations) / small_jobs.JOBS
        yield [name, *(f"{seconds:.2f} s" for seconds in (whole, steps, evaluations, rest, limit))]


def _jax(net, data, seeds) -> list[Contender]:
    """`net` is "cnn", "resnet", or the widths of an MLP."""
    if jax_rival is None:
        return []
    if isinstance(net, str):
        made = getattr(jax_nets, net)()
        ways = (False, True) if seeds > 1 else (False,)
        return [jax_rival.contender(made, data.train, seeds, "threefry2x32", way) for way in ways]
    made = jax_rival.mlp(net)
    return [jax_rival.contender(made, data.train, seeds, prng) for prng in ("threefry2x32", "rbg")]


def _rows(seeds: int, own: Contender, others: Sequence[Contender]) -> Iterator[list[str]]:
    yield [str(seeds), own.name, f"{own.milliseconds:.3f}", ""]
    for other in others:
        yield [str(seeds), other.name, f"{other.milliseconds:.3f}", f"{ratio(own, other):.2f}"]


RIVALS = ["R", "what", "ms per seed-step", "bnrun / what"]
PARTS: dict[str, tuple[str, list[str], Callable[[Size], Iterator[list[str]]]]] = {
    "mlp": ("784-200-10", RIVALS, lambda size: rivals(WIDTHS, size, size.seeds)),
    "deep": ("784-500-500-500-10", RIVALS, lambda size: rivals(DEEP, size, size.seeds[1:])),
    "growth": ("By number of seeds", ["R", "ms per seed-step", "relative to the best"], growth),
    "cnn": ("CNN, R = 8", RIVALS, convolutions),
    "images": ("CNN and ResNet-8", ["net", *RIVALS], images),
    "estimators": (
        "Estimators, R = 8",
        [
            "estimator",
            "evaluations",
            "ms per seed-step",
            "relative time",
            "relative time per evaluation",
        ],
        estimators,
    ),
    "draws": ("Gradient draws", ["how", "ms", "relative to at once"], draws),
    "denormals": (
        "Saturated units, R = 1",
        ["run", "ms per step", "relative to lr=0.5"],
        denormals,
    ),
    "module": (
        "bnrun.Binary, bnrun.estimate and model=module with plain nets",
        ["net", "bnrun", "ms", "plain", "ms", "ratio", "half of the repeats"],
        any_module,
    ),
    "options": ("Options", ["R", "what", "ms per seed-step", "relative to plain"], options),
    "processes": ("Whole processes", ["what", "cost"], processes),
    "jobs": (
        "40 jobs on digits",
        ["how", "sweep", "its steps", "its evaluations", "all else, per job", "aim for the sweep"],
        jobs,
    ),
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, less data")
    parser.add_argument("--only", choices=PARTS, action="append", help="only this; may be repeated")
    parser.add_argument("--busy", action="store_true", help="one core, one thread, processor time")
    words = parser.parse_args()
    size = Size(words.quick, words.busy)
    if size.busy:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in words.only or PARTS:
        title, head, rows = PARTS[name]
        print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
        for row in rows(size):
            print(f"| {' | '.join(row)} |", flush=True)
        print(f"\nload average {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
