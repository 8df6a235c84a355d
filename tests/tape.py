"""What a CUDA graph does, on the CPU: operations recorded with their memory, and done again.

Like a graph it does nothing while it records, takes every number but a tensor's for fixed, and
refuses what would need the host to wait for the device.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SYNCHRONISING = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
}


class Tape(TorchDispatchMode):
    """A bnrun.training.capture.Graph."""

    replays = 0
    records = 0

    def __init__(self) -> None:
        super().__init__()
        self._done: list[tuple[Any, tuple, dict, list[tuple[int, Tensor]]]] = []
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
        for operation, arguments, options, fresh in self._done:
            outcome = tree_leaves(operation(*arguments, **options))
            for place, tensor in fresh:
                tensor.detach().copy_(outcome[place])

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation in SYNCHRONISING:
            raise RuntimeError(f"{operation} makes the host wait for the device")
        options = kwargs or {}
        given = [leaf for leaf in tree_leaves((args, options)) if isinstance(leaf, Tensor)]
        if operation._schema.is_mutable:
            for tensor in given:
                if id(tensor) not in self._before:
                    self._before[id(tensor)] = tensor, tensor.clone()
        outcome = operation(*args, **options)
        held = {tensor.untyped_storage().data_ptr() for tensor in given}
        # A view needs no copy: it shows the memory that the operation before it has written.
        fresh = [
            (place, leaf)
            for place, leaf in enumerate(tree_leaves(outcome))
            if isinstance(leaf, Tensor) and leaf.untyped_storage().data_ptr() not in held
        ]
        self._done.append((operation, args, options, fresh))
        return outcome
