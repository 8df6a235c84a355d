"""sweep.fail_fast: after a failure, no other job of the sweep starts, with any launcher."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

HALTED = "not started"
"""What a job returns if it was halted before it started."""

SKIPPED = "done before"
"""What a job returns if it has found its run done."""

PRUNED = "pruned"
"""What a job returns if it was stopped by its limits."""

_MARK, _STUDIES = ".failed", ".studies"


class Halt:
    """A file in a study's folder, which all jobs can see, on whatever machine they run.

    A job of a sweep over several studies looks for it in all of them.

    study  the folder
    """

    def __init__(self, study: Path) -> None:
        self._study = study

    def call(self) -> None:
        """Let no other job start. Ignores a full disk, because that stops the jobs anyway."""
        with suppress(OSError):
            (self._study / _MARK).touch()

    def is_called(self) -> bool:
        """Whether a job of this sweep has failed."""
        return any((study / _MARK).exists() for study in [self._study, *self._others()])

    def _others(self) -> list[Path]:
        try:
            names = json.loads((self._study / _STUDIES).read_text())
        except (OSError, ValueError):
            return []
        return [Path(name) for name in names if isinstance(name, str)]


@contextmanager
def halting(studies: Sequence[Path]) -> Iterator[None]:
    """While the block runs, a failure in one of these studies halts the jobs of all of them.

    Failures of an earlier sweep are forgotten, because its jobs are tried again.
    """
    made = [study / name for study in studies for name in (_MARK, _STUDIES)]
    for path in made:
        path.unlink(missing_ok=True)
    if len(studies) > 1:
        text = json.dumps([str(study.absolute()) for study in studies])
        for study in studies:
            (study / _STUDIES).write_text(text)
    yield
    # Not after Ctrl-C, because jobs on other machines may go on.
    for path in made:
        path.unlink(missing_ok=True)
