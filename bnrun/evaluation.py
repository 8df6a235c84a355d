"""Evaluation of a net in every way a binary layer can be used: the evaluation matrix."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from bnrun.data.base import Data, Split
from bnrun.models.base import Chain
from bnrun.neurons import Neuron
from bnrun.noise import Noise
from bnrun.tasks.classification import Classification

Scores = dict[str, dict[str, Tensor]]
"""Score -> way of evaluating -> one value per replica, [R]."""

# Activations of one chunk of examples, all replicas and samples: 64 MB in float32.
CHUNK = 2**24


@torch.no_grad()
def evaluate(
    model: Chain,
    neurons: Sequence[Neuron],
    task: Classification,
    split: Split,
    noise: Noise,
    samples: int,
) -> Scores:
    """Mean scores of every replica over the examples of `split`.

    Ways of evaluating: "thresholded" (bits 1[logit > 0]), "sampled" (one sample of the bits),
    "averaged" (mean prediction of `samples` samples), "mean_field" (probabilities for bits).
    """
    sums: Scores = {}
    for inputs, targets in _chunks(model, split, len(noise.seeds), samples):
        for way, outputs in _outputs(model, neurons, task, inputs, noise, samples):
            for score, values in task.scores(outputs, targets).items():
                total = values.double().sum(-1)
                ways = sums.setdefault(score, {})
                ways[way] = ways[way] + total if way in ways else total
    examples = len(split.targets)
    return {
        score: {way: (total / examples).cpu() for way, total in ways.items()}
        for score, ways in sums.items()
    }


def evaluate_splits(
    model: Chain,
    neurons: Sequence[Neuron],
    task: Classification,
    data: Data,
    noise: Noise,
    samples: int,
    examples: int | None,
) -> dict[str, Tensor]:
    """Scores on train, validation and test by tag "score/split/way", each [R].

    Of each split it takes the first `examples`, or all where that is None; of the training
    examples never more than there are for validation.
    """
    seen = Split(*(part[: len(data.validation.targets)] for part in data.train))
    tags: dict[str, Tensor] = {}
    for name, split in (("train", seen), ("validation", data.validation), ("test", data.test)):
        part = Split(*(tensor[:examples] for tensor in split))
        scores = evaluate(model, neurons, task, part, noise, samples)
        for score, ways in scores.items():
            tags |= {f"{score}/{name}/{way}": values for way, values in ways.items()}
    return tags


def _chunks(
    model: Chain, split: Split, replicas: int, samples: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs [R, n, ...] without a copy per replica, and targets [1, n]."""
    size = max(1, CHUNK // (replicas * samples * max(model.units)))
    for inputs, targets in zip(split.inputs.split(size), split.targets.split(size), strict=True):
        yield inputs.expand(replicas, *inputs.shape), targets.unsqueeze(0)


def _outputs(
    model: Chain,
    neurons: Sequence[Neuron],
    task: Classification,
    inputs: Tensor,
    noise: Noise,
    samples: int,
) -> Iterator[tuple[str, Tensor]]:
    # The first layer's logits are the costly part, and the same in every way of evaluating.
    first = model.stages[0](inputs)
    thresholded = [neuron.thresholded for neuron in neurons]
    yield "thresholded", _forward(model, first, thresholded, noise)
    sampled = [neuron.sampled for neuron in neurons]
    outputs = _forward(model, first.expand(samples, *first.shape), sampled, noise)
    yield "sampled", outputs[0]
    yield "averaged", task.average(outputs)
    mean_field = [neuron.mean_field for neuron in neurons]
    yield "mean_field", _forward(model, first, mean_field, noise)


def _forward(
    model: Chain,
    logits: Tensor,
    activations: Sequence[Callable[[Tensor, Noise], Tensor]],
    noise: Noise,
) -> Tensor:
    x = activations[0](logits, noise)
    for stage, activation in zip(list(model.stages)[1:], activations[1:], strict=True):
        x = activation(stage(x), noise)
    outputs: Tensor = model.head(x)
    return outputs
