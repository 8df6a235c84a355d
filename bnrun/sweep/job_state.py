"""What is known of one job of a sweep, from the files in its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bnrun.recording.files import mark
from bnrun.recording.metrics import history_end
from bnrun.recording.result import RESULT
from bnrun.run.claim import HOLDER, sweep_at_work

State = Literal["waiting", "running", "done", "pruned", "failed", "elsewhere"]


class WatchedJob(Protocol):
    """A job: its folder, how long it trains (a unit and a number), and whether it was pruned."""

    @property
    def folder(self) -> Path: ...

    @property
    def length(self) -> tuple[str, float]: ...

    @property
    def pruned(self) -> bool: ...


@dataclass
class JobState:
    """What is known of one job. Files from before the sweep say nothing about it.

    name   to show
    sweep  names the sweep; a job that is running for another one is "elsewhere"
    """

    job: WatchedJob
    name: str
    sweep: str = ""
    state: State = "waiting"

    def __post_init__(self) -> None:
        self._before = [mark(self.job.folder / name) for name in (HOLDER, RESULT)]
        self.share_before = self.share = self._measured_share()

    def look(self) -> None:
        """Update from the job's folder."""
        if self.state in ("done", "pruned", "failed"):
            return
        if sweep_at_work(self.job.folder) not in ("", self.sweep):
            self.state = "elsewhere"
            return
        # In this order: a job that ends between the two has a result, and so has not failed.
        holder, result = (mark(self.job.folder / name) for name in (HOLDER, RESULT))
        if holder not in (None, self._before[0]):
            self.state, self.share = "running", self._measured_share()
        elif self.state == "elsewhere":
            return
        elif result not in (None, self._before[1]):
            self.state, self.share = "done", 1.0
        elif self.state == "running":
            self.state = "pruned" if self.job.pruned else "failed"

    @property
    def is_ours(self) -> bool:
        """Whether the sweep has come to this job."""
        return self.state in ("running", "done", "pruned", "failed")

    def pass_over(self) -> None:
        """Note that the sweep has reached a later job."""
        if self.state == "waiting":
            self.state = "elsewhere" if (self.job.folder / HOLDER).exists() else "failed"

    def _measured_share(self) -> float:
        """The share of its length that the job has trained, from its metrics file."""
        unit, length = self.job.length
        try:
            place = history_end(self.job.folder)
        except (OSError, ValueError):
            return 0.0  # The file is being written or removed at this moment.
        trained = 0.0 if place is None else place.step if unit == "step" else place.epoch
        return min(1.0, trained / length)
