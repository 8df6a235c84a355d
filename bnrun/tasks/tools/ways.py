"""Every way in which binary layers can be used when a net is evaluated."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from bnrun.core.chain import Chain, Fired
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Split

Scores = dict[str, dict[str, Tensor]]
"""Score -> way of evaluating -> one value per replica, [R]."""

# Activations of one chunk of examples, all replicas and samples: 64 MB in float32.
CHUNK = 2**24
# Samples at a time; their evidence is added up.
TOGETHER = 128


class Activation(Protocol):
    """How one layer gets from its logits to its activations: a method of a neuron."""

    def __call__(self, logits: Tensor, noise: Noise) -> Tensor: ...


class Scoring(Protocol):
    """What evaluating needs of a task; see bnrun.tasks.base.Task."""

    def drawn(self, batch: Split, noise: Noise) -> Split: ...

    def scores(self, model: Chain, batch: Split, fired: Sequence[Fired]) -> dict[str, Tensor]: ...

    def evidence(self, model: Chain, batch: Split, fired: Sequence[Fired]) -> Tensor: ...

    def averaged(self, evidence: Tensor, samples: int, batch: Split) -> dict[str, Tensor]: ...


@torch.no_grad()
def in_every_way(
    task: Scoring,
    model: Chain,
    neurons: Sequence[Neuron],
    split: Split,
    noise: Noise,
    samples: int,
) -> Scores:
    """Mean scores of every replica over the examples of `split`, [R] each, on the CPU.

    Ways of evaluating: "thresholded" (bits 1[logit > 0]), "sampled" (one sample of the bits),
    "averaged" (mean over `samples` samples), "mean_field" (probabilities for bits).
    """
    sums: Scores = {}
    for chunk in _chunks(model, split, len(noise.seeds), samples):
        batch = task.drawn(chunk, noise)
        for way, scores in _scores(task, model, neurons, batch, noise, samples):
            for score, values in scores.items():
                total = values.double().sum(-1)
                ways = sums.setdefault(score, {})
                ways[way] = ways[way] + total if way in ways else total
    examples = len(split.targets)
    return {
        score: {way: (total / examples).cpu() for way, total in ways.items()}
        for score, ways in sums.items()
    }


def _chunks(model: Chain, split: Split, replicas: int, samples: int) -> Iterator[Split]:
    """Inputs [R, n, ...] without a copy per replica, and targets [1, n, ...]."""
    size = max(1, CHUNK // (replicas * min(samples, TOGETHER) * model.widest))
    for inputs, targets in zip(split.inputs.split(size), split.targets.split(size), strict=True):
        yield Split(inputs.expand(replicas, *inputs.shape), targets.unsqueeze(0))


def _scores(
    task: Scoring,
    model: Chain,
    neurons: Sequence[Neuron],
    batch: Split,
    noise: Noise,
    samples: int,
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    # The first layer's logits are the costly part, and the same in every way of evaluating.
    first = model.stages[0](batch.inputs)
    fired = forward(model, neurons, [n.thresholded for n in neurons], first, noise)
    yield "thresholded", task.scores(model, batch, fired)
    sampled = [neuron.sampled for neuron in neurons]
    sizes = [min(TOGETHER, samples - start) for start in range(0, samples, TOGETHER)]
    evidence = None
    for size in sizes:
        fired = forward(model, neurons, sampled, first.expand(size, *first.shape), noise)
        more = task.evidence(model, batch, fired).logsumexp(0)
        if evidence is None:
            once = [Fired(neuron, logits[0], bits[0]) for neuron, logits, bits in fired]
            yield "sampled", task.scores(model, batch, once)
        evidence = more if evidence is None else torch.logaddexp(evidence, more)
    assert evidence is not None
    yield "averaged", task.averaged(evidence, samples, batch)
    fired = forward(model, neurons, [n.mean_field for n in neurons], first, noise)
    yield "mean_field", task.scores(model, batch, fired)


def forward(
    model: Chain,
    neurons: Sequence[Neuron],
    activations: Sequence[Activation],
    logits: Tensor,
    noise: Noise,
) -> list[Fired]:
    """One pass through the binary layers, from the logits of the first, [*S, R, B, U]."""
    fired = [Fired(neurons[0], logits, activations[0](logits, noise))]
    layers = zip(list(model.stages)[1:], neurons[1:], activations[1:], strict=True)
    for stage, neuron, activation in layers:
        logits = stage(fired[-1].activations)
        fired.append(Fired(neuron, logits, activation(logits, noise)))
    return fired
