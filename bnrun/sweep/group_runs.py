"""Group runs for TensorBoard: means over many runs, updated while a sweep runs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bnrun.recording.result import RESULT
from bnrun.sweep.follower import repeated

_SHARE = 20
"""Writing group runs takes at most one part in this many of the time."""


@contextmanager
def updated_group_runs(
    study: Path, runs: Sequence[Path], by: Sequence[str] | None, log: Callable[[str], None]
) -> Iterator[None]:
    """Keep the group runs of a sweep up to date while the block runs.

    study  the folder of the study
    runs   folders of the jobs, finished or not
    by     as in write_groups; [] for no group runs
    log    gets where they are, or why there are none; a mistake stops no job
    """
    groups = _GroupRuns(study, runs, by)
    # Errors are ignored until the end: there may be too few runs yet, or one half written.
    with repeated(lambda: groups.update(lambda reason: None), lambda: groups.pause):
        yield
    groups.update(log)
    if groups.folders:
        log(f"group runs: tensorboard --logdir {groups.folders[0].parent}")


class _GroupRuns:
    def __init__(self, study: Path, runs: Sequence[Path], by: Sequence[str] | None) -> None:
        self._study, self._runs, self._by = study, runs, by
        self._written: list[Path] = []
        self.folders: list[Path] = []
        self.pause = 1.0

    def update(self, log: Callable[[str], None]) -> None:
        """Write the group runs again if more runs have finished."""
        finished = [run for run in self._runs if (run / RESULT).exists()]
        if self._by == [] or len(finished) < 2 or finished == self._written:
            return
        # Imported here, because it loads torch and TensorBoard, and most sweeps end before.
        from bnrun.report.render.tensorboard import NO_GROUPS, write_groups

        start = time.monotonic()
        damaged: list[str] = []
        try:
            self.folders = write_groups(self._study, finished, self._by, damaged)
            # Tried once more at the end, where the log hears of what is missing.
            self._written = finished if self.folders and not damaged else []
            if not self.folders:
                log(NO_GROUPS)
        except (ValueError, OSError) as reason:
            log(f"no group runs: {reason}")
        for sentence in damaged:
            log(f"not in the group runs: {sentence}")
        self.pause = max(1.0, _SHARE * (time.monotonic() - start))
