"""sweep.fail_fast: after a failure, no other job of the sweep starts, with any launcher."""

from contextlib import suppress
from pathlib import Path

HALTED = "not started"
"""What a job returns if it was halted before it started."""


class Halt:
    """A file in the study's folder, which all jobs can see, on whatever machine they run.

    study  the folder
    """

    def __init__(self, study: Path) -> None:
        self._mark = study / ".failed"

    def call(self) -> None:
        """Let no other job start. Ignores a full disk, because that stops the jobs anyway."""
        with suppress(OSError):
            self._mark.touch()

    def is_called(self) -> bool:
        """Whether a job of this sweep has failed."""
        return self._mark.exists()

    def lift(self) -> None:
        """Forget the failures of an earlier sweep, whose jobs are tried again."""
        self._mark.unlink(missing_ok=True)
