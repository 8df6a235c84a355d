"""Scores of a net on every split."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bnrun.core.chain import Chain
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data
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

    Of each split it takes `examples`, spread over it, or all where that is None; of the training
    examples never more than there are for validation.
    """
    seen = data.train.spread(len(data.validation.targets))
    tags: dict[str, Tensor] = {}
    for name, split in (("train", seen), ("validation", data.validation), ("test", data.test)):
        scores = task.evaluate(model, neurons, split.spread(examples), noise, samples)
        for score, ways in scores.items():
            tags |= {f"{score}/{name}/{way}": values for way, values in ways.items()}
    return tags
