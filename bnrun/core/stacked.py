"""Weights and buffers of R modules as stacked tensors, lent to the modules while they run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bnrun.core.errors import UserError
from bnrun.core.sites import Site

Place = tuple[dict[str, Tensor | None], str]
"""Where a module keeps a tensor: its dictionary of parameters or buffers, and the name there."""


class _Lent(NamedTuple):
    """A stacked tensor, and the places of its slices in each of the modules.

    A tensor that two parts of a module share has two places in it.
    """

    stacked: Place
    places: list[list[Place]]


class Stacked:
    """Moves all parameters and buffers of R equal modules to `owner`, stacked to [R, ...].

    They keep their names. The modules are empty but while they borrow them.

    Raises UserError if two modules have a parameter in common, or parameters that do not fit.
    """

    def __init__(self, owner: nn.Module, modules: Sequence[nn.Module], name: str) -> None:
        self._modules, self._borrowed = modules, False
        _check_separate(modules, name)
        self._parameters = [
            _lend(owner, modules, key, name, buffer=False)
            for key, _ in modules[0].named_parameters()
        ]
        # The buffers of a site are the state of its own noise, which has no part in this.
        own = {
            f"{path}.{key}".lstrip(".")
            for path, part in modules[0].named_modules()
            for key, _ in part.named_buffers(recurse=False)
            if not isinstance(part, Site)
        }
        names = [key for key, _ in modules[0].named_buffers() if key in own]
        self._buffers = [_lend(owner, modules, key, name, buffer=True) for key in names]
        self._return()

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """While the block runs, every module has its slices; gradients reach the stacked tensors.

        What a module changes in its buffers is changed in the stacked ones.
        """
        if self._borrowed:
            yield
            return
        for (tensors, key), places in self._parameters:
            stacked = _present(tensors[key])
            # A squeeze has a gradient without a copy.
            slices = [stacked.squeeze(0)] if len(places) == 1 else stacked.unbind(0)
            _put(places, slices)
        lent = [_slices(buffer) for buffer in self._buffers]
        for (_, places), slices in zip(self._buffers, lent, strict=True):
            _put(places, slices)
        self._refresh()
        self._borrowed = True
        try:
            yield
        finally:
            for (_, places), slices in zip(self._buffers, lent, strict=True):
                for (where, *_), one in zip(places, slices, strict=True):
                    now = where[0][where[1]]
                    if now is not None and now is not one:
                        one.copy_(now.detach())
            self._return()

    def _return(self) -> None:
        for _, places in (*self._parameters, *self._buffers):
            _put(places, [None] * len(places))
        self._refresh()
        self._borrowed = False

    def _refresh(self) -> None:
        # A recurrent layer of torch has a second list of its weights.
        for module in self._modules:
            for part in module.modules():
                if isinstance(part, nn.RNNBase):
                    part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]


def _check_separate(modules: Sequence[nn.Module], name: str) -> None:
    known: dict[int, str] = {}
    for module in modules:
        for key, parameter in module.named_parameters():
            if id(parameter) in known:
                raise UserError(
                    f"{name}: parameter {key} is shared between seeds, because two nets have the "
                    f"same object: make it in the constructor of the net"
                )
        known |= {id(parameter): key for key, parameter in module.named_parameters()}


def _lend(
    owner: nn.Module, modules: Sequence[nn.Module], key: str, name: str, buffer: bool
) -> _Lent:
    places = [_places(module, key) for module in modules]
    tensors = [_present(where[key]) for (where, key), *_ in places]
    if len({tensor.shape for tensor in tensors}) > 1:
        raise UserError(
            f"{name}: {key} has shape {list(tensors[0].shape)} for one seed and another for "
            f"another: it must not depend on random numbers"
        )
    *path, last = key.split(".")
    for part in path:
        # Not by add_module, which refuses a child with the name of a method of the owner.
        owner = owner._modules.setdefault(part, nn.Module()) or owner
    values = torch.stack([tensor.detach() for tensor in tensors])
    if not buffer:
        owner._parameters[last] = nn.Parameter(values, requires_grad=tensors[0].requires_grad)
        return _Lent((owner._parameters, last), places)  # type: ignore[arg-type]  # a Parameter is a Tensor
    owner._buffers[last] = values
    holder = modules[0].get_submodule(".".join(path))
    if last in holder._non_persistent_buffers_set:
        owner._non_persistent_buffers_set.add(last)
    return _Lent((owner._buffers, last), places)


def _places(module: nn.Module, key: str) -> list[Place]:
    """All places of the tensor of that name in a module, the named one first."""
    path, _, last = key.rpartition(".")
    holder = module.get_submodule(path)
    tensor = holder._parameters.get(last, holder._buffers.get(last))
    found: list[Place] = []
    for part in module.modules():
        for where in (part._parameters, part._buffers):
            found += [(where, name) for name, value in where.items() if value is tensor]  # type: ignore[misc]  # as above
    return found


def _slices(buffer: _Lent) -> list[Tensor]:
    tensors, key = buffer.stacked
    # Each by `.data`, with a count of changes of its own: what one net changes in place, another
    # may have kept for its backward pass.
    return [_present(tensors[key]).data[replica] for replica in range(len(buffer.places))]


def _put(places: Sequence[Sequence[Place]], values: Sequence[Tensor | None]) -> None:
    for of_module, value in zip(places, values, strict=True):
        for where, key in of_module:
            where[key] = value


def _present(tensor: Tensor | None) -> Tensor:
    assert tensor is not None  # a part that is None has no name among parameters and buffers
    return tensor
