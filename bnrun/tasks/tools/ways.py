"""The ways of evaluating a net with binary layers.

thresholded  bits 1[logit > 0]
sampled      one sample of the bits
averaged     mean over many samples
mean_field   probabilities in place of bits
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bnrun.core.network import Network
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Split

if TYPE_CHECKING:
    from bnrun.tasks.base import ScoredTask

Scores = dict[str, dict[str, Tensor]]
"""Score -> way of evaluating -> one value per replica, [R]."""

# Activations of one chunk of examples, all replicas and samples: 64 MB in float32.
CHUNK = 2**24
# Samples in one pass; their evidence is accumulated.
SAMPLES_PER_PASS = 128


@torch.no_grad()
def evaluate_ways(
    task: "ScoredTask",
    model: Network,
    neurons: Sequence[Neuron],
    split: Split,
    noise: Noise,
    samples: int,
) -> Scores:
    """Return the mean scores of every replica over `split` in every way, [R] each, on the CPU.

    samples  number of passes that "averaged" averages over
    """
    sums: Scores = {}
    for chunk in chunks(model, split, len(noise.seeds), samples):
        batch = task.drawn(chunk, noise)
        shape = (len(noise.seeds), len(chunk.inputs[0]))
        for way, scores in _scores(task, model, neurons, batch, noise, samples):
            for score, values in scores.items():
                _check_shape(task, score, way, values, shape)
                total = values.double().sum(-1)
                ways = sums.setdefault(score, {})
                ways[way] = ways[way] + total if way in ways else total
    examples = len(split.targets)
    return {
        score: {way: (total / examples).cpu() for way, total in ways.items()}
        for score, ways in sums.items()
    }


def _check_shape(
    task: "ScoredTask", score: str, way: str, values: Tensor, shape: tuple[int, int]
) -> None:
    if values.shape != shape:
        raise ValueError(
            f"task {type(task).__name__}: the score {score} ({way}) has shape "
            f"{list(values.shape)}, but must have one value per example, [R, B], here {list(shape)}"
        )


def chunks(model: Network, split: Split, replicas: int, samples: int) -> Iterator[Split]:
    """Inputs [R, n, ...] without a copy per replica, and targets [1, n, ...]."""
    size = max(1, CHUNK // (replicas * min(samples, SAMPLES_PER_PASS) * model.widest))
    for inputs, targets in zip(split.inputs.split(size), split.targets.split(size), strict=True):
        yield Split(inputs.expand(replicas, *inputs.shape), targets.unsqueeze(0))


def _scores(
    task: "ScoredTask",
    model: Network,
    neurons: Sequence[Neuron],
    batch: Split,
    noise: Noise,
    samples: int,
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Way of evaluating and scores per example, [R, B] each."""
    forward = model.passes(batch.inputs)
    fired = forward(neurons, [neuron.thresholded for neuron in neurons], noise)
    yield "thresholded", task.scores(model, batch, fired)
    sampled = [neuron.sampled for neuron in neurons]
    evidence = None
    for start in range(0, samples, SAMPLES_PER_PASS):
        size = min(SAMPLES_PER_PASS, samples - start)
        fired = forward(neurons, sampled, noise, size)
        part = task.evidence(model, batch, fired)
        if part.shape[:3] != fired.rows[:3]:
            raise ValueError(
                f"task {type(task).__name__}.evidence returned shape {list(part.shape)}, but must "
                f"return [K, R, B, ...], here {[*fired.rows[:3], '...']}"
            )
        part = part.logsumexp(0)
        if evidence is None:
            yield "sampled", task.scores(model, batch, fired.first_sample())
        evidence = part if evidence is None else torch.logaddexp(evidence, part)
    assert evidence is not None
    yield "averaged", task.averaged(evidence, samples, batch)
    fired = forward(neurons, [neuron.mean_field for neuron in neurons], noise)
    yield "mean_field", task.scores(model, batch, fired)
