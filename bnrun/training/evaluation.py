"""Scores of a net on every split."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bnrun.core.network import Network
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data
from bnrun.recording.tags import SPLITS, ScoreName
from bnrun.tasks.base import Task


@torch.no_grad()
def evaluate_splits(
    model: Network,
    neurons: Sequence[Neuron],
    task: Task,
    data: Data,
    noise: Noise,
    samples: int,
    examples: int | None,
) -> dict[ScoreName, Tensor]:
    """Scores on train, validation and test, each [R].

    Evaluates `examples` examples of each split, spread over it, or all of them if that is None;
    never more training examples than there are in the validation split.
    """
    train = data.train.spread(len(data.validation.targets))
    named: dict[ScoreName, Tensor] = {}
    for name, split in zip(SPLITS, (train, data.validation, data.test), strict=True):
        scores = task.evaluate(model, neurons, split.spread(examples), noise, samples)
        for score, ways in scores.items():
            for way, values in ways.items():
                if values.shape != (len(noise.seeds),):
                    raise ValueError(
                        f"task {type(task).__name__}.evaluate returned shape {list(values.shape)} "
                        f"for the score {score} ({way}): it must be [R], one per seed, here "
                        f"[{len(noise.seeds)}]"
                    )
            named |= {ScoreName(name, score, way): values for way, values in ways.items()}
    return named
