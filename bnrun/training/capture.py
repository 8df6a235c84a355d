"""A training step as a CUDA graph: its hundreds of kernels are launched as one.

A graph does again what was recorded: the same kernels on the same memory, with every number that
Python knew as it was then. So only a step whose numbers stay, and which changes nothing but tensors
in place, can be captured; any other is done as it is.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from bnrun.core.chain import LayerEstimator
from bnrun.data.base import Split

WARM_UP = 3
"""Steps before the capture, in which libraries choose their kernels and get their memory."""

Results = tuple[Tensor, ...]
Step = Callable[[Sequence[LayerEstimator], Split], Results]
Work = Callable[[], Results]


class Graph(Protocol):
    """What records a step and does it again; tests have one for the CPU."""

    def warm_up(self, work: Work) -> Results:
        """Do the work as it will be recorded."""

    def record(self, work: Work) -> Results:
        """Record the work without doing it; the results are where a replay leaves them."""

    def replay(self) -> None:
        """Do the recorded work."""


class CudaGraph:
    """One graph of the current device, by the recipe of torch's notes on CUDA graphs."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._stream = torch.cuda.Stream()

    def warm_up(self, work: Work) -> Results:
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            results = work()
        current.wait_stream(self._stream)
        return results

    def record(self, work: Work) -> Results:
        with torch.cuda.graph(self._graph, stream=self._stream):
            return work()

    def replay(self) -> None:
        self._graph.replay()


class Captured:
    """A step that is recorded after a few calls and replayed from then on.

    step       forward, backward and update; gives tensors
    optimizer  which the step uses
    graph      makes what records
    """

    def __init__(
        self, step: Step, optimizer: Optimizer, graph: Callable[[], Graph] = CudaGraph
    ) -> None:
        self._step, self._optimizer, self._new_graph = step, optimizer, graph
        self.forget()

    def forget(self) -> None:
        """Record anew, because tensors were exchanged."""
        self._constants: object = None
        self._calls = 0

    def __call__(
        self, constants: object, estimators: Sequence[LayerEstimator], batch: Split
    ) -> Results:
        """The step's results, in memory that the next call may overwrite.

        constants  what a recorded step takes for fixed; None for one that cannot be recorded
        """
        if constants is None:
            return self._step(estimators, batch)
        if constants != self._constants:
            self._constants, self._calls, self._graph = constants, 0, self._new_graph()
            make_capturable(self._optimizer)
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._graph.warm_up(partial(self._step, estimators, batch))
        if self._calls == WARM_UP + 1:
            self._batch = Split(*(part.clone() for part in batch))
            self._results = self._graph.record(partial(self._step, estimators, self._batch))
        for place, part in zip(self._batch, batch, strict=True):
            place.copy_(part)
        self._graph.replay()
        return self._results


def make_capturable(optimizer: Optimizer) -> None:
    """Have the optimizer count its steps on the device, where it can."""
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
    for parameter, state in optimizer.state.items():
        if isinstance(state.get("step"), Tensor):
            state["step"] = state["step"].to(parameter.device)
