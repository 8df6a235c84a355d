"""Keeping a training: a checkpoint whenever one is due."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bnrun.config.settings import CheckpointSettings
from bnrun.recording.recorder import Recorder
from bnrun.run.checkpoint import CHECKPOINT, Header, read_state, write_checkpoint
from bnrun.run.log import Log
from bnrun.run.resume import history_length
from bnrun.run.signals import Postponed, Stopped

if TYPE_CHECKING:
    from bnrun.training.loop import Training


@dataclass
class Keeper:
    """Writes the checkpoints of one training.

    header    what it is a training of
    scalars   tag -> last value of each seed, [R], which the result is made of
    """

    folder: Path
    training: "Training"
    recorder: Recorder
    settings: CheckpointSettings
    signals: Postponed
    header: Header
    log: Log
    scalars: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._written = time.monotonic()
        self._readable = False

    def after_step(self) -> None:
        """Write a checkpoint if one is due. Raises Stopped, after one, if a signal has come."""
        if self.training.ended:
            return
        if self.signals.status is not None:
            self.write()
            self.log.say(
                f"stopped after step {self.training.step}; the same command goes on from there"
            )
            raise Stopped(self.signals.status)
        if self._due():
            self.write()

    def write(self) -> None:
        """Write a checkpoint, after all of the history that belongs to it."""
        self.recorder.flush()
        header = self.header.model_copy(
            update={
                "step": self.training.step,
                "history": history_length(self.folder),
                "final": self.training.ended,
            }
        )
        state = {"training": self.training.state_dict(), "scalars": self.scalars}
        write_checkpoint(self.folder, header, state)
        if not self._readable:
            # Better now than when it is needed: an estimator of one's own may keep anything.
            read_state(self.folder / CHECKPOINT, self.training.device)
            self._readable = True
        self._written = time.monotonic()

    def _due(self) -> bool:
        step, every = self.training.step, self.settings
        return (
            (every.every_steps is not None and step % every.every_steps == 0)
            or (every.every_seconds is not None and self._age() >= every.every_seconds)
            # From here a longer run goes on as if it had been longer from the start.
            or step == self.training.total - 1
        )

    def _age(self) -> float:
        return time.monotonic() - self._written
