"""Scores of a net on every split."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bnrun.data.base import Data, Split
from bnrun.models.base import Chain
from bnrun.neurons import Neuron
from bnrun.noise import Noise
from bnrun.tasks.base import Task


@torch.no_grad()
def evaluate_splits(
    model: Chain,
    neurons: Sequence[Neuron],
    task: Task,
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
        scores = task.evaluate(model, neurons, part, noise, samples)
        for score, ways in scores.items():
            tags |= {f"{score}/{name}/{way}": values for way, values in ways.items()}
    return tags
