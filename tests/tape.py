"""A stand-in for a CUDA graph on the CPU: records operations with their memory and replays them.

Like a graph, it has no effect while it records, bakes in Python numbers, and rejects operations
for which the host would have to wait for the device.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SYNCHRONIZING = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
}


class Tape(TorchDispatchMode):
    """Implements bnrun.training.capture.Graph."""

    replays = 0
    records = 0

    def __init__(self) -> None:
        super().__init__()
        self._recorded: list[tuple[Any, tuple, dict, list[tuple[int, Tensor]]]] = []
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def warm_up(self, work):
        return work()

    def record(self, work):
        type(self).records += 1
        with self:
            results = work()
        for tensor, value in self._before.values():
            tensor.detach().copy_(value)
        return results

    @torch.no_grad()
    def replay(self):
        type(self).replays += 1
        for operation, arguments, options, fresh in self._recorded:
            results = tree_leaves(operation(*arguments, **options))
            for index, tensor in fresh:
                tensor.detach().copy_(results[index])

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation in SYNCHRONIZING:
            raise RuntimeError(f"{operation} makes the host wait for the device")
        options = kwargs or {}
        inputs = [leaf for leaf in tree_leaves((args, options)) if isinstance(leaf, Tensor)]
        if operation._schema.is_mutable:
            for tensor in inputs:
                if id(tensor) not in self._before:
                    self._before[id(tensor)] = tensor, tensor.clone()
        result = operation(*args, **options)
        input_memory = {tensor.untyped_storage().data_ptr() for tensor in inputs}
        # A view needs no copy, because it shares memory that an earlier operation writes.
        fresh = [
            (index, leaf)
            for index, leaf in enumerate(tree_leaves(result))
            if isinstance(leaf, Tensor) and leaf.untyped_storage().data_ptr() not in input_memory
        ]
        self._recorded.append((operation, args, options, fresh))
        return result
