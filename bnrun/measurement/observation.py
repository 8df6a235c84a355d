"""Observing a net from outside: its gradients as they pass, and how its units behave."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bnrun.core.network import Network, Pass
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.estimators.base import Estimator
from bnrun.recording import tags

PROBE_EXAMPLES = 1_000
"""Enough for a layer's firing rate to within about .001."""
HISTOGRAM_VALUES = 10_000
"""Per replica. More would take time and look the same."""


class Tap:
    """Keeps the logits of binary layers while a loss is computed, to read their gradients later.

    Pass it to `Network.losses` as `see`.

    estimators  one per binary layer, for messages
    """

    def __init__(self, model: Network, estimators: Sequence[Estimator]) -> None:
        self.estimators = estimators
        self._uses = model.uses
        self._kept: list[list[tuple[slice, Tensor]]] = [[] for _ in estimators]

    def __call__(self, use: int, replicas: slice, logits: Tensor) -> Tensor:
        # The estimator of an earlier layer may also evaluate this layer without a gradient.
        if logits.requires_grad:
            logits.retain_grad()
            self._kept[self._uses[use]].append((replicas, logits))
        return logits

    def logits(self, layer: int) -> list[Tensor]:
        """All logits of a layer that have a gradient, counted from 0, each [*S, R', B, U]."""
        return [logits for _, logits in self._kept[layer]]

    def without_gradient(self, layer: int) -> str:
        """The sentence for an estimator whose loss has no gradient for its logits."""
        return (
            f"estimator {type(self.estimators[layer]).__name__} returned a loss that gives no "
            f"gradient to its logits"
        )

    def gradient_norm(self, layer: int, replicas: int) -> Tensor | None:
        """Euclidean norm of the loss's gradient with respect to a layer's logits, [R].

        None if no weight before this layer is trained. Raises ValueError if the estimator gave its
        logits no gradient.
        """
        kept = self._kept[layer]
        norms = [
            _placed(replica_norm(logits.grad.movedim(-3, 0)), where, replicas)
            for where, logits in kept
            if logits.grad is not None
        ]
        if not kept:
            return None
        if not norms:
            raise ValueError(self.without_gradient(layer))
        return torch.stack(norms).norm(dim=0)


def _placed(values: Tensor, where: slice, replicas: int) -> Tensor:
    """Values of some replicas among zeros, [R]."""
    whole = values.new_zeros(replicas)
    whole[where] = values
    return whole


def replica_norm(values: Tensor) -> Tensor:
    """Euclidean norm over all but the first axis, [R, ...] -> [R]."""
    return values.flatten(1).norm(dim=1) if values.dim() > 1 else values.abs()


@torch.no_grad()
def layer_logits(
    model: Network, neurons: Sequence[Neuron], inputs: Tensor, noise: Noise
) -> list[Tensor]:
    """Logits of every binary layer in one forward pass of the neurons, each [R, B, U].

    Those of several uses of a layer are side by side.
    """
    fired = as_in_training(model, neurons, inputs, noise)
    return model.by_layer([use.logits for use in fired])


def as_in_training(model: Network, neurons: Sequence[Neuron], inputs: Tensor, noise: Noise) -> Pass:
    """A forward pass in which every neuron fires as it does in training."""
    firings = [getattr(neuron, neuron.mode) for neuron in neurons]
    return model.passes(inputs)(neurons, firings, noise)


def unit_statistics(logits: Tensor, neuron: Neuron, shared: bool = False) -> dict[str, Tensor]:
    """How a layer's units behave over a batch, for logits [R, B, U]; each value [R].

    firing_rate  mean probability of a 1 (for a DBN: share of ones)
    entropy      mean entropy of a unit's bit given its input, in bits; 0 for a DBN
    saturated    share of (example, unit) pairs with probability below .01 or above .99
    dead         share of units whose probability is on the same side of .5 for every example
    bimodality   Sarle's coefficient of a unit's logits over the examples, mean over units:
                 (skewness^2 + 1) / kurtosis, which is 1/3 for a normal distribution, 5/9 for a
                 uniform one and 1 for two values; 0 for a constant

    shared  whether the units serve the whole batch: B is 1, and nothing varies over examples, so
            that there are the first three only
    """
    probability = neuron.probability(logits)
    ones = (logits > 0).to(logits.dtype)
    fires = ones if neuron.mode == "thresholded" else probability
    entropy = torch.special.entr(fires) + torch.special.entr(1 - fires)
    statistics = {
        "firing_rate": fires.mean((1, 2)),
        "entropy": entropy.mean((1, 2)) / torch.log(torch.tensor(2.0)).item(),
        "saturated": ((probability < 0.01) | (probability > 0.99)).float().mean((1, 2)),
    }
    if not shared:
        constant = ones.amin(1) == ones.amax(1)
        statistics["dead"] = constant.float().mean(1)
        statistics["bimodality"] = bimodality(logits).mean(1)
    return statistics


def bimodality(values: Tensor) -> Tensor:
    """Sarle's coefficient over the second axis, [R, B, U] -> [R, U].

    Source: Pfister et al., Good things peak in pairs: a note on the bimodality coefficient (2013).
    """
    centred = values - values.mean(1, keepdim=True)
    second, third, fourth = (centred.pow(k).mean(1) for k in (2, 3, 4))
    # The centred values of a constant are rounding errors, which would have a coefficient too.
    varies = second > 1e-10 * values.square().mean(1)
    return ((third.square() / second + second.square()) / fourth).where(varies, 0)


def parameter_gradient_norms(model: Network) -> dict[str, Tensor]:
    """Euclidean norm of the gradient of every parameter, by tag, each [R]."""
    return {
        tags.parameter_gradient(name): replica_norm(parameter.grad)
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def probe_batch(split: Split, seeds: Sequence[int]) -> Split:
    """Some examples of `split`, the same for every replica, expanded to R without a copy."""
    examples = split.spread(PROBE_EXAMPLES)
    return Split(*(part.expand(len(seeds), *part.shape) for part in examples))


def observe_units(
    model: Network, neurons: Sequence[Neuron], inputs: Tensor, noise: Noise
) -> dict[str, dict[str, Tensor]]:
    """Scalars, histograms and images of the layers by tag, for inputs [R, B, ...]."""
    scalars, histograms = {}, {}
    layers = zip(layer_logits(model, neurons, inputs, noise), neurons, model.shared, strict=True)
    for number, (logits, neuron, shared) in enumerate(layers, start=1):
        for name, values in unit_statistics(logits, neuron, shared).items():
            scalars[tags.units(number, name)] = values.cpu()
        flat = logits.flatten(1)
        stride = -(-flat.shape[1] // HISTOGRAM_VALUES)
        histograms[tags.logits_histogram(number)] = flat[:, ::stride].cpu()
    filters = model.filters()
    images = {} if filters is None else {tags.filters(1): filters.cpu()}
    return {"scalars": scalars, "histograms": histograms, "images": images}
