"""A binary layer for any PyTorch model."""

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from bnrun.api import built
from bnrun.config.compose import EstimatorConfig
from bnrun.core.estimate import ServedSite
from bnrun.core.laws import NoiseLaw
from bnrun.core.network import LayerEstimator
from bnrun.core.noise import Noise
from bnrun.core.site_noise import SiteNoise, as_noise
from bnrun.estimators.base import ActivationEstimator, Estimator, Progress

Evaluate = Literal["thresholded", "sampled", "mean_field"]

_REPLAYS = 1024
"""Latest calls that torch.utils.checkpoint may run again."""


class Binary(ServedSite):
    """Bits in place of a real activation, with an estimator's gradient.

    Inputs are logits of any shape and floating dtype; outputs have the same. In training mode the
    layer fires its neuron, and the estimator gives the gradient; in evaluation mode it is
    evaluated as `evaluate` says. Estimators that evaluate the loss themselves, like disarm, train
    through `bnrun.estimate`.

    estimator  a choice of configs/estimator, or an Estimator
    neuron     a choice of configs/neuron
    signed     -1 and +1 in place of 0 and 1
    noise      law of the neuron's noise: logistic, normal or uniform
    evaluate   "thresholded" (1 where the logit is positive), "sampled" (one sample), or
               "mean_field" (the probability)
    shared     its bits serve the whole batch, as those of binary weights do: its input has no batch
               axis, and depends on no layer that has one. Its estimator sees the batch's mean loss
    seed       of its random numbers, or a torch.Generator to draw it from; None draws it from
               torch's default generator, so that torch.manual_seed decides. Two layers with one
               seed draw the same numbers
    config_dir a folder of your own configs, searched as well
    fields     values in place of the estimator's yaml, e.g. temperature=0.5

    The random numbers are a function of the seed and the number of the call, both of which are in
    the state_dict. Under torch.utils.checkpoint the second pass draws the numbers of the first:
    each call in training mode draws one number from torch's default generator, by which it is
    known.

    Raises ValueError for a value out of range or a neuron that the estimator cannot serve, and
    hydra.errors.MissingConfigException for a name that does not exist.
    """

    noise_state: Tensor

    def __init__(
        self,
        estimator: str | Estimator = "sigmoid_st",
        neuron: str = "sbn",
        *,
        signed: bool = False,
        noise: NoiseLaw = "logistic",
        evaluate: Evaluate = "thresholded",
        shared: bool = False,
        seed: int | torch.Generator | None = None,
        config_dir: Path | str | None = None,
        **fields: Any,
    ) -> None:
        # In `Modules` the neuron of the run decides about the signs of units, but not about those
        # of weights, which are part of what the module computes.
        super().__init__(shared, signed if shared else None)
        if evaluate not in ("thresholded", "sampled", "mean_field"):
            raise ValueError(f"evaluate={evaluate}: use thresholded, sampled or mean_field")
        if isinstance(estimator, Estimator):
            self._estimator, self._name = estimator, type(estimator).__name__
        else:
            folder = None if config_dir is None else Path(config_dir)
            words = [f"neuron={neuron}", f"estimator={estimator}"]
            words.append(f"neuron.signed={str(signed).lower()}")
            if noise != "logistic":  # which is the default, and all that some neurons have
                words.append(f"neuron.noise={noise}")
            self._estimator = _loaded(tuple(words), folder, fields)
            self._name = estimator
        self.evaluate = evaluate
        self._progress = Progress(0, 0)
        self._now = self._estimator
        self.advance(0)
        self._replays: OrderedDict[int, Tensor] = OrderedDict()
        if not isinstance(seed, int):
            seed = int(torch.randint(2**62, (), generator=seed))
        self.register_buffer("noise_state", torch.tensor([seed, 0]))

    @property
    def estimator(self) -> Estimator:
        """The estimator; assign another one to change a slope or a temperature by hand."""
        return self._estimator

    @estimator.setter
    def estimator(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self.advance(*self._progress)

    def advance(self, step: int, epoch: int = 0) -> Self:
        """Move the schedules of slopes and temperatures to this point of the training."""
        self._progress = Progress(step, epoch)
        self._now = self._estimator.at(self._progress)
        # Looked at once outside of torch.compile, which cannot make them.
        assert self._now.firing_neuron
        assert self._now.evaluation_neuron
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Activations for logits x, of the same shape and dtype."""
        if self.visitor is not None:
            return self.visitor(self, x)
        logits = x if x.dtype in (torch.float32, torch.float64) else x.float()
        if not self.training:
            neuron = self._now.evaluation_neuron
            how: Callable[[Tensor, Noise], Tensor] = getattr(neuron, self.evaluate)
            return how(logits, self.next_noise()).to(x.dtype)
        activations = self.activate(logits, self.next_noise())
        if activations is None:
            raise RuntimeError(
                f"bnrun.Binary({self._name!r}) needs the loss to make its estimate: train with "
                f"bnrun.estimate(model, inputs, loss, targets).mean().backward(), or use an "
                f"estimator that is an activation function, like reinmax"
            )
        return activations.to(x.dtype)

    def serving(self) -> LayerEstimator:
        return self._now

    def activate(self, logits: Tensor, noise: Noise) -> Tensor | None:
        if isinstance(self._now, ActivationEstimator):
            return self._now.activate(logits, noise)
        return None

    def next_noise(self) -> Noise:
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return as_noise(SiteNoise(self._next_state()))
        if not self.training or self.visitor is not None:
            return as_noise(SiteNoise(self._next_state()))
        # torch.utils.checkpoint restores torch's generator, and so draws the same number again.
        token = int(torch.randint(2**62, ()))
        if torch._C._current_graph_task_id() == -1:
            state = self._replays[token] = self._next_state()
            if len(self._replays) > _REPLAYS:
                self._replays.popitem(last=False)
        elif token in self._replays:
            state = self._replays[token]
        else:
            raise RuntimeError(
                f"bnrun.Binary({self._name!r}) is run again in the backward pass, and cannot tell "
                f"which call that was: use torch.utils.checkpoint with preserve_rng_state=True"
            )
        return as_noise(SiteNoise(state))

    def extra_repr(self) -> str:
        return f"{self._name}, {type(self._estimator.neuron).__name__}, evaluate={self.evaluate}"

    def get_extra_state(self) -> dict[str, Any]:
        return {"progress": list(self._progress), "estimator": self._estimator.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self._estimator.load_state_dict(state["estimator"])
        self.advance(*state["progress"])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_replays": OrderedDict(), "visitor": None}

    def _next_state(self) -> Tensor:
        state = self.noise_state.clone()
        functions = torch._C._functorch
        if torch.compiler.is_compiling() or functions.is_functorch_wrapped_tensor(self.noise_state):
            self.noise_state[1] += 1
        else:
            with torch._C._DisableFuncTorch():  # a count, and nothing to differentiate
                self.noise_state[1] += 1
        return state


def advance(model: nn.Module, step: int, epoch: int = 0) -> None:
    """Move the schedules of all Binary layers of a model to this point of the training.

    step   updates done
    epoch  passes over the training data that have been started
    """
    for module in model.modules():
        if isinstance(module, Binary):
            module.advance(step, epoch)


def _loaded(words: tuple[str, ...], config_dir: Path | None, fields: dict[str, Any]) -> Estimator:
    arguments = words, config_dir, tuple(fields.items())
    if all(isinstance(value, Hashable) for value in fields.values()):
        return copy.deepcopy(_composed(*arguments))
    return _composed.__wrapped__(*arguments)


@cache
def _composed(
    words: tuple[str, ...], config_dir: Path | None, fields: tuple[Any, ...]
) -> Estimator:
    """Hydra takes 0.1 s for it, and a model may have fifty such layers."""
    return built(EstimatorConfig(list(words), dict(fields), config_dir))
