"""Forward and backward pass as one compiled function, for nets whose operations take microseconds.

A pass is traced with tensors that have shapes but no values, through whatever model, task and
estimators do in Python, and TorchInductor turns the recorded operations into C++. The optimizer is
called as always. Random numbers are arguments: they are drawn as in a plain step, from the same
streams in the same order. Python numbers are baked in.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bnrun.core.errors import UserError
from bnrun.core.modules import Modules
from bnrun.core.network import Network
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.estimators.base import Estimator
from bnrun.tasks.base import Task

MOST = 8
"""Functions per training. Each takes seconds to compile, and a schedule needs one per value."""

Forward = Callable[[Sequence[Estimator], Split, Noise], tuple[Tensor, Tensor, Tensor]]
"""(estimators, batch, noise) -> the mean loss summed over replicas, losses [R, B], probe [R]."""

_OFF = "leave out trainer.compile=true"


class Compiled:
    """Losses and gradients of training steps, by functions compiled when they are first needed.

    forward  the forward pass, through `model`
    noise    the streams that the estimators draw from

    Raises UserError if there is no C++ compiler, or if model or task cannot be compiled.
    """

    def __init__(self, forward: Forward, model: Network, task: Task, noise: Noise) -> None:
        if isinstance(model, Modules):
            raise UserError(
                f"trainer.compile=true is for models that compute all seeds at once, like mlp and "
                f"cnn, but this one runs one seed after another: {_OFF}"
            )
        if type(task).before_update is not Task.before_update or tree_leaves(task.state_dict()):
            raise UserError(
                f"trainer.compile=true: task {type(task).__name__} changes from step to step, "
                f"which a compiled step would not notice: {_OFF}"
            )
        if next(model.parameters()).device.type != "cpu":
            raise UserError(f"trainer.compile=true needs device=cpu: choose it, or {_OFF}")
        _check_compiler()
        self._whole, self._noise = _Whole(model, forward), noise
        self._parameters = list(model.parameters())
        self._functions: list[tuple[list[Estimator], _Function]] = []

    def prepare(self, schedule: Iterable[Sequence[Estimator]], batch: Split) -> None:
        """Compile the step for the first estimators of a schedule.

        Raises UserError if the schedule has too many, or if the step cannot be compiled.
        """
        values: list[list[Estimator]] = []
        for estimators in schedule:
            if list(estimators) not in values:
                values.append(list(estimators))
                self._check_number(len(values))
        self._function(values[0], batch)

    def __call__(self, estimators: Sequence[Estimator], batch: Split) -> tuple[Tensor, Tensor]:
        """Set the gradients of all parameters; the losses [R, B] and the finite probe [R]."""
        function = self._function(estimators, batch)
        for parameter in self._parameters:
            parameter.grad = None
        losses, probe, *gradients = function(batch, self._noise)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return losses, probe

    def _function(self, estimators: Sequence[Estimator], batch: Split) -> "_Function":
        wanted = list(estimators)
        for known, function in self._functions:
            if known == wanted:
                return function
        self._check_number(len(self._functions) + 1)
        try:
            function = _Function(self._whole, wanted, batch, self._noise.seeds)
        except UserError:
            raise
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[0]
            if len(set(map(id, wanted))) < len(wanted):
                reason = "layers share one estimator, but need one each if it learns"
            raise UserError(
                f"trainer.compile=true: this step cannot be compiled ({reason}): {_OFF}"
            ) from error
        self._functions.append((wanted, function))
        return function

    def _check_number(self, number: int) -> None:
        if number > MOST:
            raise UserError(
                f"trainer.compile=true compiles a step again for every value of a schedule of an "
                f"estimator, like a growing slope, and there are more than {MOST}: let the "
                f"schedule end sooner (cap), or {_OFF}"
            )


class _Whole(nn.Module):
    """A forward pass as a module, so that functional_call can replace the tensors of the model."""

    def __init__(self, model: Network, function: Forward) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        return self.function(*arguments)

    def tensors(self) -> dict[str, Tensor]:
        """Parameters, then buffers, by name."""
        return dict(self.named_parameters()) | dict(self.named_buffers())

    def place(self, name: str) -> tuple[dict[str, Any], str]:
        """The dictionary that has the tensor of this name, and its key there."""
        path, _, key = name.rpartition(".")
        module = self.get_submodule(path)
        parameters: dict[str, Any] = module._parameters
        return (parameters if key in parameters else module._buffers), key


class _Function:
    """A compiled pass of these estimators, for batches of the shape of `batch`."""

    def __init__(
        self, whole: _Whole, estimators: Sequence[Estimator], batch: Split, seeds: Sequence[int]
    ) -> None:
        self._whole, self._estimators, self._seeds = whole, estimators, seeds
        self._draws: list[tuple[str, Tensor]] = []
        # Collecting the tensors at every step would take 5 % of its time.
        self._places = [whole.place(name) for name in whole.tensors()]
        # The first trace finds out what is drawn; in the second one draws are arguments.
        self._traced(self._arguments(batch, Noise(seeds)))
        arguments = self._arguments(batch, Noise(seeds))
        graph = self._traced(arguments)
        # One thread for what is not a product: waking a second one takes longer than the work.
        options = {"cpp.threads": 1, "compile_threads": 1}
        with warnings.catch_warnings():
            # The compiler imports parts of torch that torch itself deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._compiled: Any = torch._inductor.compile(graph, arguments, options=options)

    def __call__(self, batch: Split, noise: Noise) -> Sequence[Any]:
        """Losses, probe, and a gradient or None of each parameter."""
        results: Sequence[Any] = self._compiled(*self._arguments(batch, noise))
        return results

    def _arguments(self, batch: Split, noise: Noise) -> list[Any]:
        tensors = [where[name].detach() for where, name in self._places]
        drawn = [getattr(noise, draw)(like) for draw, like in self._draws]
        return [*tensors, *batch, *drawn]

    def _traced(self, arguments: Sequence[Tensor]) -> torch.fx.GraphModule:
        from torch.fx.experimental.proxy_tensor import make_fx

        return make_fx(self._gradients, tracing_mode="fake", _allow_non_fake_inputs=True)(
            *arguments
        )

    def _gradients(self, *arguments: Tensor) -> list[Tensor | None]:
        """What is traced, from the arguments. Notes the draws."""
        names = self._whole.tensors()
        count = sum(1 for _ in self._whole.parameters())
        tensors, (inputs, targets, *drawn) = arguments[: len(names)], arguments[len(names) :]
        parameters = [tensor.requires_grad_() for tensor in tensors[:count]]
        noise, estimators = _Given(self._seeds, drawn), deepcopy(self._estimators)
        loss, losses, probe = torch.func.functional_call(
            self._whole,
            dict(zip(names, tensors, strict=True)),
            (estimators, Split(inputs, targets), noise),
        )
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        if tree_leaves([estimator.state_dict() for estimator in estimators]):
            raise UserError(
                f"trainer.compile=true: the estimator learns at every step, which a compiled step "
                f"would not: choose another one, or {_OFF}"
            )
        self._draws = noise.asked
        # The fused optimizers assume that a gradient has the memory layout of its parameter.
        whole = [None if gradient is None else gradient.contiguous() for gradient in gradients]
        return [losses.detach(), probe, *whole]


class _Given(Noise):
    """Answers draws with given tensors, and those that go beyond them with empty ones."""

    def __init__(self, seeds: Sequence[int], given: Sequence[Tensor]) -> None:
        self.seeds, self._given = tuple(seeds), list(given)
        self.asked: list[tuple[str, Tensor]] = []

    def uniform(self, like: Tensor) -> Tensor:
        return self._next("uniform", like)

    def normal(self, like: Tensor) -> Tensor:
        return self._next("normal", like)

    def _next(self, draw: str, like: Tensor) -> Tensor:
        number, dtype = len(self.asked), like.dtype
        with torch._subclasses.fake_tensor.unset_fake_temporarily():
            self.asked.append((draw, torch.empty(1, dtype=dtype).expand(like.shape)))
        if number < len(self._given):
            return self._given[number]
        return torch.empty(like.shape, dtype=torch.promote_types(dtype, torch.float32))


def _check_compiler() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise UserError(
            f"trainer.compile=true needs a C++ compiler, and there is none: install g++, or name a "
            f"compiler in the environment variable CXX, or {_OFF}"
        ) from None
