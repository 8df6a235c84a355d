"""(c) Two worker processes with one thread and one seed each, as joblib would run them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch
from loops import in_memory, plain_mlp
from stopwatch import Contender
from workload import mnist_sized

WORKERS = 2


@contextmanager
def worker_processes(widths: Sequence[int], examples: int) -> Iterator[Contender]:
    """Each worker runs loop (b) and waits between two calls of `advance`."""
    context = get_context("spawn")
    pipes = [context.Pipe() for _ in range(WORKERS)]
    workers = [
        context.Process(target=_work, args=(pipe[1], widths, examples), daemon=True)
        for pipe in pipes
    ]
    for worker in workers:
        worker.start()

    def advance(steps: int) -> None:
        for pipe in pipes:
            pipe[0].send(steps)
        for pipe in pipes:
            pipe[0].recv()

    advance(1)  # Wait until both have started; loading would slow the other contenders down.
    yield Contender(f"(c) {WORKERS} processes of (b)", WORKERS, advance)
    for pipe in pipes:
        pipe[0].send(0)
    for worker in workers:
        worker.join()


def _work(pipe: Connection, widths: Sequence[int], examples: int) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    contender = in_memory(plain_mlp(widths), mnist_sized(examples).train)
    while steps := pipe.recv():
        contender.advance(steps)
        pipe.send(None)
