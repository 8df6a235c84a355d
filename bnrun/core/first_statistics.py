"""Running statistics of modules that are run several times for one estimate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from torch import Tensor, nn

from bnrun.core.sites import Site


class FirstStatistics:
    """Lets buffers, such as running means, keep what the first pass through each part gave.

    For use as a context manager around all passes of an estimate.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = modules
        self._kept: dict[tuple[nn.Module, str], Tensor] = {}
        self._counts = True

    def __enter__(self) -> Self:
        self._parts = [
            part
            for module in self._modules
            for part in module.modules()
            if not isinstance(part, Site) and next(part.buffers(recurse=False), None) is not None
        ]
        self._hooks = [part.register_forward_hook(self._keep) for part in self._parts]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()
        _restore(self._kept)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Passes in this block do not count: they leave the buffers as they were."""
        before = {
            (part, name): buffer.clone()
            for part in self._parts
            for name, buffer in part.named_buffers(recurse=False)
        }
        self._counts = False
        try:
            yield
        finally:
            self._counts = True
            _restore(before)

    def _keep(self, part: nn.Module, args: Any, output: Any) -> None:
        if self._counts:
            for name, buffer in part.named_buffers(recurse=False):
                if (part, name) not in self._kept:
                    self._kept[part, name] = buffer.clone()


def _restore(values: dict[tuple[nn.Module, str], Tensor]) -> None:
    for (part, name), value in values.items():
        # Through `data`, because batch norm saves its buffers for the backward pass, though it does
        # not use them there, and autograd would refuse a change.
        part.get_buffer(name).data.copy_(value)
