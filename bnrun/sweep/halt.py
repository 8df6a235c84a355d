"""sweep.fail_fast: after a failure no other job of its sweep begins, with any launcher."""

from contextlib import suppress
from pathlib import Path

HALTED = "not begun"
"""What a job gives back that was kept from beginning."""


class Halt:
    """A file in the study's folder, which all jobs see, on whatever machine they are.

    study  the folder
    """

    def __init__(self, study: Path) -> None:
        self._mark = study / ".failed"

    def call(self) -> None:
        """Let no other job begin. Without a word where the disk is full: that ends them anyway."""
        with suppress(OSError):
            self._mark.touch()

    def called(self) -> bool:
        """Whether a job of this sweep has failed."""
        return self._mark.exists()

    def lift(self) -> None:
        """Begin a sweep; what failed in an earlier one is tried again."""
        self._mark.unlink(missing_ok=True)
