"""The gradient instrument: how good an estimate is, measured while a net is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from bnrun.core.chain import Chain
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.estimators.base import Estimator
from bnrun.measurement import gradients
from bnrun.measurement.probe import Probe
from bnrun.tasks.base import Task


@dataclass
class Reference:
    """What the estimates are compared with.

    name        "exact", or the unbiased estimator whose draws were averaged
    estimators  one per binary layer
    draws       how many are averaged; 1 where it is exact
    """

    name: str
    estimators: Sequence[Estimator]
    draws: int


@dataclass
class Instrument:
    """Measures estimators against a reference at the same weights, examples and uniforms.

    estimators  name -> one estimator per binary layer; those that learn go on learning from
                what they measure, with the estimate always taken before
    reference   see Reference
    group       first part of the tags; it says so where the reference is another neuron's
    every       epochs between two measurements
    draws       independent estimates per measurement and replica, D
    examples    size of the probe: so many training examples, spread over all, B
    memory      bytes that one chunk of draws may take, about
    averages    numbers M of averaged draws to give the error and the cosine of
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
        net: tuple[Chain, Task, Split],
        seeds: Sequence[int],
        step: int,
        batch_size: int,
    ) -> dict[str, Tensor]:
        """Scalars by tag "group/estimator/layer/statistic", each [R], on the CPU.

        in_use      name -> the estimators that train the net; they do not learn from this
        net         the model, its task and the training examples
        batch_size  of the training, to tell the estimator's noise from the minibatch's
        """
        model, task, split = net
        probe = Probe(model, task, split.spread(self.examples), seeds, self.memory)
        exact = self.reference
        noise = Noise(seeds, "reference", step)
        drawn = [layer.double() for layer in probe.draw(exact.estimators, exact.draws, noise)]
        found = {f"reference-{exact.name}/{k}": v for k, v in _of_truth(drawn, batch_size).items()}
        truth = {part: Truth.of(draws) for part, draws in _parts(drawn).items()}
        frozen = {name: [e.frozen() for e in layers] for name, layers in in_use.items()}
        for name, estimators in {**self.estimators, **frozen}.items():
            cost = float(probe.cost(estimators).evaluations)
            found[f"{name}/evaluations"] = torch.full((len(seeds),), cost)
            layers = probe.draw(estimators, self.draws, Noise(seeds, "gradients", step))
            compared = self._compare([layer.double() for layer in layers], truth, batch_size)
            found |= {f"{name}/{tag}": value for tag, value in compared.items()}
        return {f"{self.group}/{tag}": value.cpu() for tag, value in found.items()}

    def _compare(
        self, layers: Sequence[Tensor], truth: "Mapping[str, Truth]", batch_size: int
    ) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for part, draws in _parts(layers).items():
            compared = statistics(draws, truth[part], self.averages)
            # A single layer is the total as well, and need not be measured twice.
            for place in {part, "total"} if len(layers) == 1 else {part}:
                found |= {f"{place}/{name}": value for name, value in compared.items()}
        for number, layer in enumerate(layers, start=1):
            found[f"layer{number}/estimator_noise"] = _noise_of_draws(layer) / batch_size
        return found


class Truth(NamedTuple):
    """A reference gradient [R, P] with its standard error, None where it is exact."""

    gradient: Tensor
    error: Tensor | None

    @classmethod
    def of(cls, draws: Tensor) -> "Truth":
        """The mean of reference draws [D, R, P]; a single one is exact."""
        error = gradients.standard_error(draws) if len(draws) > 1 else None
        return cls(draws.mean(0), error)


def _parts(layers: Sequence[Tensor]) -> dict[str, Tensor]:
    """Every layer's gradient, and all layers as one where there are several, [D, R, P]."""
    flat = {f"layer{number}": layer.flatten(2) for number, layer in enumerate(layers, start=1)}
    return flat if len(flat) == 1 else flat | {"total": torch.cat(list(flat.values()), -1)}


def _noise_of_draws(layer: Tensor) -> Tensor:
    """Variance of one example's gradient for draws [D, R, B, U], traced, mean over B, [R]."""
    return layer.var(0).sum(-1).mean(-1)


def statistics(draws: Tensor, truth: Truth, averages: Sequence[int]) -> dict[str, Tensor]:
    """Statistics of draws [D, R, P] against the truth, each [R].

    norm             Euclidean norm of the mean draw
    bias             norm(bias) / norm(reference), debiased
    bias_z           squared bias in standard deviations under no bias; under 5 is none
    variance         trace of the covariance of one draw
    mse              mean squared distance of one draw from the reference
    relative_rmse    root of it / norm(reference)
    cosine           of the mean draw with the reference
    cosine_single, _low, _high   of single draws: mean, and the 15 % and 85 % quantiles
    signal_to_noise  norm(reference)^2 / variance
    sign_agreement   share of coordinates with the reference's sign, mean over draws
    relative_rmse_M, cosine_M    of the average of M draws, for M in `averages`
    """
    exact, error = truth
    band = gradients.cosine_band(draws, exact)
    found = {
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
        found[f"relative_rmse_{count}"] = gradients.relative_rmse(draws, exact, count)
        found[f"cosine_{count}"] = gradients.cosine(means, exact.expand_as(means)).mean(0)
    return found


def _of_truth(truth: Sequence[Tensor], batch_size: int) -> dict[str, Tensor]:
    """Norm of the reference, its own relative standard error, and the minibatch's noise.

    The noises are variances (traces of the covariance) of a layer's bias gradient in one batch:
    minibatch_noise is what the choice of examples adds, estimator_noise what the bits add.
    """
    whole = torch.cat([layer.flatten(2) for layer in truth], -1)
    norm = torch.linalg.vector_norm(whole.mean(0), dim=-1)
    found = {"total/norm": norm}
    if len(whole) > 1:
        error = torch.linalg.vector_norm(gradients.standard_error(whole), dim=-1)
        found["total/relative_error"] = error / norm
    for number, layer in enumerate(truth, start=1):
        spread = layer.mean(0).var(1).sum(-1)
        if len(layer) > 1:
            # The finite number of averaged draws has spread the examples' gradients further.
            spread = spread - _noise_of_draws(layer) / len(layer)
        found[f"layer{number}/minibatch_noise"] = spread.clamp(min=0) / batch_size
    return found
