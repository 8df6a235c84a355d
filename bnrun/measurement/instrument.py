"""The gradient instrument: how good an estimate is, measured while a net is trained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bnrun.core.network import Network
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.estimators.base import Estimator
from bnrun.measurement import gradients
from bnrun.measurement.probe import Probe
from bnrun.recording import tags
from bnrun.tasks.base import Task

Place = tuple[str, str]
"""A layer (or all of them) and a statistic: the last two parts of a tag."""


@dataclass
class Reference:
    """What the estimates are compared with.

    name        "exact", or the unbiased estimator whose draws are averaged
    estimators  one per binary layer
    draws       how many draws are averaged; 1 for "exact"
    """

    name: str
    estimators: Sequence[Estimator]
    draws: int


@dataclass
class Instrument:
    """Compares estimators with a reference at the same weights, examples and uniforms.

    estimators  name -> one estimator per binary layer. Those that learn keep learning from what
                they measure, but only after each estimate is taken
    reference   see Reference
    group       first part of the tags, by `tags.measured_group`
    every       epochs between two measurements
    draws       independent estimates per measurement and replica, D
    examples    training examples in the probe, spread over all of them, B
    memory      bytes that one chunk of draws may take, roughly
    averages    numbers M of draws; the error and cosine of the average of M draws are measured
    """

    estimators: Mapping[str, Sequence[Estimator]]
    reference: Reference
    group: str
    every: float
    draws: int
    examples: int
    memory: int
    averages: Sequence[int]

    def measure(
        self,
        in_use: Mapping[str, Sequence[Estimator]],
        net: tuple[Network, Task, Split],
        seeds: Sequence[int],
        step: int,
        batch_size: int,
    ) -> dict[str, Tensor]:
        """Scalars by tag, each [R], on the CPU.

        in_use      name -> the estimators that train the net; they do not learn from this
        net         the model, its task and the training examples
        batch_size  of the training; needed to separate the estimator's noise from the minibatch's
        """
        model, task, split = net
        probe = Probe(model, task, split.spread(self.examples), seeds, self.memory)
        truths = self._draw_reference(probe, step)
        by_place = _reference_statistics(truths, model.shared, batch_size)
        scalars = dict(self._tagged(tags.reference(self.reference.name), by_place))
        truth = {place: Truth.of(draws) for place, draws in _by_place(truths).items()}
        frozen = {name: [e.frozen() for e in layers] for name, layers in in_use.items()}
        for name, estimators in {**self.estimators, **frozen}.items():
            evaluations = float(probe.cost(estimators).evaluations)
            tag = tags.measured_evaluations(self.group, name)
            scalars[tag] = torch.full((len(seeds),), evaluations)
            layers = probe.draw(estimators, self.draws, Noise(seeds, "gradients", step))
            by_place = self._compare([layer.double() for layer in layers], truth)
            by_place |= _estimator_noise(layers, model.shared, batch_size)
            scalars |= self._tagged(name, by_place)
        return {tag: value.cpu() for tag, value in scalars.items()}

    def state_dict(self) -> dict[str, Any]:
        """What the estimators have learned from what they measured."""
        return {name: [e.state_dict() for e in layers] for name, layers in self._layers().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict()` returned."""
        for name, layers in self._layers().items():
            for estimator, learned in zip(layers, state[name], strict=True):
                estimator.load_state_dict(learned)

    def _layers(self) -> dict[str, Sequence[Estimator]]:
        # No estimator has a name of two words.
        return {**self.estimators, "the reference": self.reference.estimators}

    def _draw_reference(self, probe: Probe, step: int) -> list[Tensor]:
        """Draws of the reference gradient, per layer [D, R, B, U] in float64."""
        noise = Noise(probe.seeds, "reference", step)
        layers = probe.draw(self.reference.estimators, self.reference.draws, noise)
        return [layer.double() for layer in layers]

    def _tagged(
        self, estimator: str, by_place: Mapping[Place, Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        for place, value in by_place.items():
            yield tags.Measured(self.group, estimator, *place).tag, value

    def _compare(
        self, layers: Sequence[Tensor], truth: "Mapping[str, Truth]"
    ) -> dict[Place, Tensor]:
        by_place: dict[Place, Tensor] = {}
        for part, draws in _by_place(layers).items():
            compared = statistics(draws, truth[part], self.averages)
            # A single layer is the total as well, so it is measured once and reported twice.
            for place in [part, tags.TOTAL] if len(layers) == 1 else [part]:
                by_place |= {(place, name): value for name, value in compared.items()}
        return by_place


def _estimator_noise(
    layers: Sequence[Tensor], shared: Sequence[bool], batch_size: int
) -> dict[Place, Tensor]:
    """What the bits add to the variance of the gradient of a layer's bias in one batch.

    A layer that the batch shares has none: the examples' parts of it are not independent.
    """
    return {
        (tags.layer(number), "estimator_noise"): _variance_over_draws(layer.double()) / batch_size
        for number, layer in enumerate(layers, start=1)
        if not shared[number - 1]
    }


class Truth(NamedTuple):
    """A reference gradient [R, P] with its standard error, or None if it is exact."""

    gradient: Tensor
    error: Tensor | None

    @classmethod
    def of(cls, draws: Tensor) -> "Truth":
        """The mean of reference draws [D, R, P]; a single draw is exact."""
        error = gradients.standard_error(draws) if len(draws) > 1 else None
        return cls(draws.mean(0), error)


def _by_place(layers: Sequence[Tensor]) -> dict[str, Tensor]:
    """Each layer's gradient, and if there are several their concatenation, [D, R, P]."""
    flat = {tags.layer(number): layer.flatten(2) for number, layer in enumerate(layers, start=1)}
    return flat if len(flat) == 1 else flat | {tags.TOTAL: torch.cat(list(flat.values()), -1)}


def _variance_over_draws(layer: Tensor) -> Tensor:
    """Variance of one example's gradient for draws [D, R, B, U], traced, mean over B, [R]."""
    return layer.var(0).sum(-1).mean(-1)


def statistics(draws: Tensor, truth: Truth, averages: Sequence[int]) -> dict[str, Tensor]:
    """Statistics of draws [D, R, P] against the truth, each [R].

    norm             Euclidean norm of the mean draw
    bias             norm(bias) / norm(reference), debiased
    bias_z           squared bias in standard deviations under no bias; below 5 means none
    variance         trace of the covariance of one draw
    mse              mean squared distance of one draw from the reference
    relative_rmse    sqrt(mse) / norm(reference)
    cosine           of the mean draw with the reference
    cosine_single, _low, _high   of single draws: mean, and the 15 % and 85 % quantiles
    signal_to_noise  norm(reference)^2 / variance
    sign_agreement   share of coordinates with the reference's sign, mean over draws
    relative_rmse_M, cosine_M    of the average of M draws, for M in `averages`
    """
    exact, error = truth
    band = gradients.cosine_band(draws, exact)
    values = {
        "norm": torch.linalg.vector_norm(draws.mean(0), dim=-1),
        "bias": gradients.relative_bias(draws, exact, error),
        "bias_z": gradients.bias_z(draws, exact, error),
        "variance": gradients.variance(draws),
        "mse": gradients.mean_squared_error(draws, exact),
        "relative_rmse": gradients.relative_rmse(draws, exact),
        "cosine": gradients.cosine(draws.mean(0), exact),
        "cosine_single": band.mean,
        "cosine_single_low": band.low,
        "cosine_single_high": band.high,
        "signal_to_noise": gradients.signal_to_noise(draws, exact),
        "sign_agreement": gradients.sign_agreement(draws, exact),
    }
    for count in averages:
        means = draws[: len(draws) // count * count].unflatten(0, (-1, count)).mean(1)
        rmse = gradients.relative_rmse(draws, exact, count)
        values[tags.averaged("relative_rmse", count)] = rmse
        cosine = gradients.cosine(means, exact.expand_as(means)).mean(0)
        values[tags.averaged("cosine", count)] = cosine
    return values


def _reference_statistics(
    layers: Sequence[Tensor], shared: Sequence[bool], batch_size: int
) -> dict[Place, Tensor]:
    """Norm of the reference, its own relative standard error, and the minibatch's noise.

    Both noises are variances (traces of the covariance) of the gradient with respect to a layer's
    bias in one batch: minibatch_noise comes from the choice of examples, estimator_noise from the
    bits. A layer that the batch shares has neither.
    """
    whole = torch.cat([layer.flatten(2) for layer in layers], -1)
    norm = torch.linalg.vector_norm(whole.mean(0), dim=-1)
    by_place = {(tags.TOTAL, "norm"): norm}
    if len(whole) > 1:
        error = torch.linalg.vector_norm(gradients.standard_error(whole), dim=-1)
        by_place[tags.TOTAL, "relative_error"] = error / norm
    for number, layer in enumerate(layers, start=1):
        if shared[number - 1]:
            continue
        spread = layer.mean(0).var(1).sum(-1)
        if len(layer) > 1:
            # A mean over finitely many draws adds its own variance to that of the examples.
            spread = spread - _variance_over_draws(layer) / len(layer)
        by_place[tags.layer(number), "minibatch_noise"] = spread.clamp(min=0) / batch_size
    return by_place
