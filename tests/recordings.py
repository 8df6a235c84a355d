"""Records of three seeds, and what TensorBoard reads back of them."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bnrun.recording.recorder import Recorder
from bnrun.recording.records import Record
from bnrun.recording.tags import TRAINING_LOSS, ScoreName, band, logits_gradient

LOWER, UPPER = band("")
A, B = logits_gradient(1), TRAINING_LOSS  # two curves with a band
ACCURACY, LOSS = ScoreName("test", "accuracy", "sampled"), ScoreName("test", "loss", "sampled")
SEEDS = (3, 11, 4)
NAN = math.nan


def events(folder: Path) -> EventAccumulator:
    everything = {"scalars": 0, "tensors": 0, "histograms": 0, "images": 0}
    accumulator = EventAccumulator(str(folder), size_guidance=everything)
    accumulator.Reload()
    return accumulator


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars(tag)]


def record(step: int, scalars: dict[str, list[float]], seconds: float = 0.0) -> Record:
    return Record(step, step / 10, seconds, {k: torch.tensor(v) for k, v in scalars.items()})


def training(steps: Iterable[int]) -> Iterable[Record]:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        scalars = {"loss/train": torch.randn(3, generator=generator)}
        if step % 4 == 0:
            scalars["accuracy/test/sampled"] = torch.rand(3, generator=generator)
        yield Record(step, step / 10, step * 0.5, scalars)


def run(folder: Path, records: Iterable[Record], **options: Any) -> None:
    folder.mkdir(exist_ok=True)
    with Recorder(folder, SEEDS, **options) as recorder:
        for one in records:
            recorder.write(one)
