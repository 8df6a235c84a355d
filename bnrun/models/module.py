"""Any PyTorch module, one per seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial
from importlib import import_module
from inspect import Parameter, isclass, signature
from typing import Any

from torch import nn

from bnrun.config.near import alternatives
from bnrun.core.errors import UserError
from bnrun.core.fields import validated
from bnrun.core.modules import Modules
from bnrun.core.network import Network
from bnrun.models.base import Model


@validated
class Module(Model):
    """A module of your own, whose binary layers are `bnrun.Binary`.

    Each `bnrun.Binary` is only a place: neuron and estimator are those of the config. The module
    maps inputs [N, *shape] to outputs [N, ...]. It is made and run once per seed.

    target  where it is, e.g. my_net.ResNet: a subclass of nn.Module, or a function that makes one
    args    its arguments by name; `shape` (of one input) and `outputs` (values per example) are
            added if it has arguments of these names

    Raises ValueError if there is no such target, or if it does not take these arguments.
    """

    target: str
    args: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {**self.args, **self._sizes((), 0)}
        parameters = signature(self._factory()).parameters
        named = {n: p for n, p in parameters.items() if p.kind not in _VARIABLE}
        if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
            for name in given:
                if name not in named:
                    raise ValueError(
                        f"args.{name}: {self.target} has no such argument, "
                        f"{alternatives(name, named) if named else 'it has none'}"
                    )
        for name, parameter in named.items():
            if parameter.default is Parameter.empty and name not in given:
                raise ValueError(f"args.{name}: {self.target} needs it, set model.args.{name}=...")

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Network:
        """Build the modules, see `bnrun.core.modules.Modules`.

        Raises UserError if they do not suit such inputs or outputs.
        """
        arguments = {**self._sizes(shape, outputs), **self.args}
        make = partial(_made, self._factory(), arguments, self.target)
        return Modules(make, shape, outputs, seeds, f"model.target={self.target}")

    def _sizes(self, shape: Sequence[int], outputs: int) -> dict[str, Any]:
        parameters = signature(self._factory()).parameters
        sizes = {"shape": tuple(shape), "outputs": outputs}
        return {name: size for name, size in sizes.items() if name in parameters}

    def _factory(self) -> Callable[..., Any]:
        path, _, name = self.target.rpartition(".")
        if not path:
            raise ValueError(
                f"target={self.target}: name the file as well, like my_net.ResNet for the class "
                f"ResNet in my_net.py in the folder where bnrun is called"
            )
        try:
            module = import_module(path)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{path}.".startswith(f"{error.name}."):
                raise  # The module is there, and imports another one that is not.
            raise ValueError(
                f"target={self.target}: there is no {error.name}.py in the folder where bnrun is "
                f"called, and no installed module of that name"
            ) from None
        found = getattr(module, name, None)
        if found is None:
            nets = [n for n, v in vars(module).items() if isclass(v) and issubclass(v, nn.Module)]
            instead = alternatives(name, nets) if nets else "and no subclass of nn.Module either"
            raise ValueError(f"target={self.target}: {path} has no {name}, {instead}")
        if not callable(found) or (isclass(found) and not issubclass(found, nn.Module)):
            raise ValueError(
                f"target={self.target}: is neither a subclass of nn.Module nor a function that "
                f"makes one"
            )
        return found


_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def _made(factory: Callable[..., Any], arguments: Mapping[str, Any], target: str) -> nn.Module:
    try:
        net = factory(**arguments)
    except ValueError as error:
        raise UserError(f"model.args: {target} refuses its arguments: {error}") from error
    if not isinstance(net, nn.Module):
        raise UserError(
            f"model.target={target}: returned a {type(net).__name__}, and not an nn.Module"
        )
    return net
