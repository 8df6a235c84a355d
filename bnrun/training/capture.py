"""Training steps as a CUDA graph, which launches hundreds of kernels at once.

CUDA graphs replay recorded kernels on the same memory; Python numbers are baked in. So only a step
whose Python numbers do not change, and which changes tensors in place, can be recorded. Any other
step runs without a graph.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from bnrun.data.base import Split
from bnrun.estimators.base import Estimator

WARM_UP = 3
"""Steps before recording, in which libraries choose their kernels and allocate memory."""

Results = tuple[Tensor, Tensor]
Step = Callable[[Sequence[Estimator], Split], Results]
Work = Callable[[], Results]


class Graph(Protocol):
    """Records a step and replays it. Tests use one that runs on the CPU."""

    def warm_up(self, work: Work) -> Results:
        """Run the work as it will run when it is recorded."""

    def record(self, work: Work) -> Results:
        """Record the work without running it. A replay writes to the tensors returned."""

    def replay(self) -> None:
        """Run the recorded work."""


class CudaGraph:
    """A graph on the current device, used as torch's notes on CUDA graphs recommend."""

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

    step       forward, backward and update
    optimizer  used by the step
    new_graph  makes the graph for a recording
    """

    def __init__(
        self, step: Step, optimizer: Optimizer, new_graph: Callable[[], Graph] = CudaGraph
    ) -> None:
        self._step, self._optimizer, self._new_graph = step, optimizer, new_graph
        self.forget()

    def forget(self) -> None:
        """Discard the recording; needed when tensors were replaced by others."""
        self._constants: object = None
        self._calls = 0

    def __call__(self, constants: object, estimators: Sequence[Estimator], batch: Split) -> Results:
        """The step's results, in memory that the next call may overwrite.

        constants  what a recording bakes in; a new value starts a new recording, and None runs a
                   step that cannot be recorded
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
        for recorded, part in zip(self._batch, batch, strict=True):
            recorded.copy_(part)
        self._graph.replay()
        return self._results


def make_capturable(optimizer: Optimizer) -> None:
    """Make the optimizer count its steps on the device, if it has the option."""
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
    for parameter, state in optimizer.state.items():
        if isinstance(state.get("step"), Tensor):
            state["step"] = state["step"].to(parameter.device)
