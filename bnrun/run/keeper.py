"""Keeping what a training produces: its records, and a checkpoint whenever one is due."""

import time
from dataclasses import dataclass, field

from bnrun.recording.recorder import Recorder
from bnrun.recording.records import Record
from bnrun.run.checkpoint import CHECKPOINT, Header, read_state, write_checkpoint
from bnrun.run.context import RunContext
from bnrun.run.limits import Pruned, check_tag, is_beyond
from bnrun.run.signals import Signals, Stopped
from bnrun.training.loop import Training


@dataclass
class Keeper:
    """Writes the records and the checkpoints of one training.

    header   of its checkpoints, without step and history
    scalars  tag -> last value of each seed, [R]; the result is made of them
    """

    context: RunContext
    training: Training
    recorder: Recorder
    signals: Signals
    header: Header
    scalars: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._written_at = time.monotonic()
        self._is_readable = False

    def record(self, record: Record) -> None:
        """Write a record, and remember its scalars."""
        self.recorder.write(record)
        self.scalars |= {tag: values.tolist() for tag, values in record.scalars.items()}

    def after_step(self) -> None:
        """Write a checkpoint if one is due, or if the training is to stop.

        Raises Stopped after a signal, Pruned where the run is beyond its limits, and UserError if
        they name a curve that it does not have.
        """
        limits = self.context.settings.sweep.limits
        if limits is not None:
            check_tag(limits, self.context.folder, self.scalars)
        if self.training.ended:
            return
        if self.signals.status is not None:
            self.write()
            self.context.log.info(
                f"stopped after step {self.training.step}; run the same command again to resume"
            )
            raise Stopped(self.signals.status)
        if limits is not None and is_beyond(limits, self.training.step, self.scalars):
            self.write()
            self.context.log.info(
                f"pruned after step {self.training.step}: {limits.tag} is worse than "
                f"{limits.at[self.training.step]:.4g}, the median of the trials before; "
                f"sweep.limits=null resumes it"
            )
            raise Pruned
        if self._is_due():
            self.write()

    def write(self) -> None:
        """Write a checkpoint, after flushing the history that belongs to it."""
        self.recorder.flush()
        header = self.header.model_copy(
            update={
                "step": self.training.step,
                "history": self.recorder.digests(),
                "final": self.training.ended,
            }
        )
        state = {"training": self.training.state_dict(), "scalars": self.scalars}
        write_checkpoint(self.context.folder, header, state)
        if not self._is_readable:
            # Fail now rather than when it is needed: a custom estimator may keep any object.
            read_state(self.context.folder / CHECKPOINT, self.training.device)
            self._is_readable = True
        self._written_at = time.monotonic()

    def _is_due(self) -> bool:
        step, settings = self.training.step, self.context.settings.checkpoint
        age = time.monotonic() - self._written_at
        return (
            (settings.every_steps is not None and step % settings.every_steps == 0)
            or (settings.every_seconds is not None and age >= settings.every_seconds)
            # A longer run resumes here, because the last step logs and evaluates more.
            or step == self.training.total - 1
        )
