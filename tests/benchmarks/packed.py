"""A prototype, not a feature: a sweep of 5 learning rates x 3 seeds trained as 15 replicas.

    python tests/benchmarks/packed.py           # wall time, two threads, or two processes of one
    python tests/benchmarks/packed.py --busy    # one process, one thread, processor time

Against the same sweep as five runs of three seeds, one after another. It also prints how far a
packed replica is from the one that runs alone.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import quantiles
from time import perf_counter, process_time

import torch
from ours import training
from stopwatch import Contender, race
from torch import Tensor, nn
from workload import mnist_sized

from bnrun.data.base import Data
from bnrun.models.mlp import MLP
from bnrun.training.loop import Training

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SEEDS = (0, 1, 2)
NETS = {"784-200-10": (200,), "784-20-10": (20,)}


class PackedAdam(torch.optim.Adam):
    """Adam, with a learning rate for every len(SEEDS) replicas.

    Every setting updates its own slice of each parameter, with the fused kernel. Weight decay or
    the moments' factors would differ between settings in the same way.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], rates: Sequence[float]) -> None:
        self._whole = list(parameters)
        size = len(SEEDS)
        groups = [
            {"params": [p.detach()[n * size : (n + 1) * size] for p in self._whole], "lr": rate}
            for n, rate in enumerate(rates)
        ]
        super().__init__(groups, fused=True)

    def step(self, closure: Callable[[], float] | None = None) -> None:
        size = len(SEEDS)
        for n, group in enumerate(self.param_groups):
            for part, whole in zip(group["params"], self._whole, strict=True):
                assert whole.grad is not None
                part.grad = whole.grad[n * size : (n + 1) * size]
        super().step(closure)


def packed(data: Data, rates: Sequence[float], hidden: tuple[int, ...]) -> Training:
    """All rates as one training; seeds are repeated, so each setting has the same ones."""
    model = MLP(hidden=hidden)
    run = training(data, 1, model)
    net = model.build(data.shape, data.classes, SEEDS * len(rates))
    return Training(
        model=net,
        task=run.task,
        estimators=run.estimators,
        optimizer=PackedAdam(list(net.parameters()), rates),
        scheduler=None,
        data=data,
        seeds=SEEDS * len(rates),
        settings=run.settings,
    )


def alone(data: Data, rate: float, hidden: tuple[int, ...]) -> Training:
    """One setting, as bnrun runs it."""
    return training(
        data,
        len(SEEDS),
        MLP(hidden=hidden),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=rate, fused=True),
    )


def advance(runs: Sequence[Training], steps: int) -> None:
    for run in runs:
        for _ in range(steps):
            run.update(run.current_estimators())


@contextmanager
def in_two_processes(kind: str, hidden: tuple[int, ...]) -> Iterator[Contender]:
    """Two workers of one thread, which share the settings; the last one has more to do."""
    context = get_context("spawn")
    parts = RATES[:2], RATES[2:]
    pipes = [context.Pipe() for _ in parts]
    workers = [
        context.Process(target=_work, args=(pipe[1], kind, part, hidden), daemon=True)
        for pipe, part in zip(pipes, parts, strict=True)
    ]
    for worker in workers:
        worker.start()

    def both(steps: int) -> None:
        for pipe in pipes:
            pipe[0].send(steps)
        for pipe in pipes:
            pipe[0].recv()

    both(1)
    yield Contender(f"{kind}, two processes", len(RATES) * len(SEEDS), both)
    for pipe in pipes:
        pipe[0].send(0)
    for worker in workers:
        worker.join()


def _work(pipe: Connection, kind: str, rates: Sequence[float], hidden: tuple[int, ...]) -> None:
    torch.set_num_threads(1)
    data = mnist_sized(12_000)
    runs = made(kind, data, rates, hidden)
    while steps := pipe.recv():
        advance(runs, steps)
        pipe.send(None)


def made(kind: str, data: Data, rates: Sequence[float], hidden: tuple[int, ...]) -> list[Training]:
    if kind == "packed":
        return [packed(data, rates, hidden)]
    return [alone(data, rate, hidden) for rate in rates]


def distance(data: Data, hidden: tuple[int, ...], steps: int) -> float:
    """Largest difference of a weight between packed replicas and those of their own run."""
    (together,) = made("packed", data, RATES, hidden)
    apart = made("alone", data, RATES, hidden)
    advance([together, *apart], steps)
    weights: list[Sequence[Tensor]] = [list(run.model.parameters()) for run in apart]
    return max(
        (whole - torch.cat(parts)).abs().max().item()
        for whole, *parts in zip(together.model.parameters(), *weights, strict=True)
    )


def main() -> None:
    """Print a table for each net."""
    busy = "--busy" in sys.argv
    torch.set_num_threads(1 if busy else 2)
    data = mnist_sized(12_000)
    for name, hidden in NETS.items():
        print(f"{name}: largest difference of a weight after 1 step, after 50 steps:", end=" ")
        print(*(f"{distance(data, hidden, steps):.1e}" for steps in (1, 50)))
        with ExitStack() as stack:
            runs = {kind: made(kind, data, RATES, hidden) for kind in ("alone", "packed")}
            contenders = [
                Contender(f"{kind}, one process", 15, partial(advance, own))
                for kind, own in runs.items()
            ]
            if not busy:
                contenders += [stack.enter_context(in_two_processes(k, hidden)) for k in runs]
            race(contenders, 15, clock=process_time if busy else perf_counter)
        base = contenders[0]
        print("| how | ms per step of one seed | to five runs in turn | half of the repeats |")
        print("|---|---|---|---|")
        for one in contenders:
            ratios = [a / b for a, b in zip(one.times, base.times, strict=True)]
            low, middle, high = quantiles(ratios, n=4)
            print(
                f"| {one.name} | {one.milliseconds:.3f} | {middle:.2f} | {low:.2f} to {high:.2f} |"
            )


if __name__ == "__main__":
    main()
