"""Optimizers of torch without torch.compile, which they load and do not need."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from torch.optim import Optimizer

MakeOptimizer = Callable[[Any], Optimizer]

_COMPILER = "torch._dynamo"


@contextmanager
def uncompiled(kind: Callable[..., Any]) -> Iterator[None]:
    """Keep the optimizers of torch from importing torch.compile while the block runs.

    Building one and every step of one import it, to tell the compiler where to stop; that takes
    .8 s of a process in which nothing is compiled. If it is loaded already, or if the class is not
    torch's own and may need it, this does nothing.

    kind  class of the optimizer, or what makes one
    """
    if _COMPILER in sys.modules or not kind.__module__.startswith("torch.optim."):
        yield
        return
    sys.modules[_COMPILER] = _STAND_IN
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is _STAND_IN:
            del sys.modules[_COMPILER]


def built(make: MakeOptimizer, parameters: Any) -> Optimizer:
    """The optimizer of these parameters, or groups of them."""
    with uncompiled(make.func if isinstance(make, partial) else make):
        return make(parameters)


def update(optimizer: Optimizer) -> None:
    """One step of the optimizer."""
    with uncompiled(type(optimizer)):
        optimizer.step()


class _StandIn(ModuleType):
    """What optimizers call of torch._dynamo; anything else is taken from the real one."""

    @staticmethod
    def graph_break() -> None:
        """Nothing is compiled, so there is no graph to break."""

    @staticmethod
    def disable(call: Callable[..., Any], *words: Any, **options: Any) -> Callable[..., Any]:
        """`call`, hidden from the compiler once that is loaded; torch keeps this function."""

        def hidden(*args: Any, **kwargs: Any) -> Any:
            compiler = sys.modules.get(_COMPILER, _STAND_IN)
            if compiler is _STAND_IN:
                return call(*args, **kwargs)
            return compiler.disable(call, *words, **options)(*args, **kwargs)

        return hidden

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of the import system
            raise AttributeError(name)
        sys.modules.pop(_COMPILER, None)
        return getattr(import_module(_COMPILER), name)


_STAND_IN = _StandIn(_COMPILER)
