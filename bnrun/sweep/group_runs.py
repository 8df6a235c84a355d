"""Group runs for TensorBoard: means over many runs, written while a sweep goes on."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from bnrun.recording.result import RESULT

GROUPS = "groups"
"""The folder of a study that they are in."""

_SHARE = 20
"""Writing them takes at most one part in so many of the time."""


def write_groups(study: Path, runs: Sequence[Path], by: Sequence[str] | None = None) -> list[Path]:
    """Write the group runs of some runs into the folder of their study, in place of older ones.

    runs  folders of runs, or folders above some
    by    settings in which the groups differ; None for what a report compares

    None are left where there is nothing to average. Raises ValueError if `by` names no
    setting or a run cannot be read, OSError if a folder cannot be written.
    """
    # Here, for a start of bnrun must not wait for them.
    from bnrun.recording.recorder import write_curves
    from bnrun.report.compare.group_means import grouped
    from bnrun.report.read.runs import find_runs
    from bnrun.report.render.table import tabulate

    found = grouped(tabulate(find_runs(runs).runs), by)
    written = []
    for group in found:
        folder = study / GROUPS / re.sub(r"[^A-Za-z0-9_.=+-]+", "_", group.name)
        write_curves(folder, group.curves, group.text)
        written.append(folder)
    _remove_others(study / GROUPS, written)
    return written


def _remove_others(folder: Path, kept: Sequence[Path]) -> None:
    """What was written by other settings is no longer kept up."""
    if not folder.is_dir():
        return
    for other in set(folder.iterdir()) - set(kept):
        for file in other.glob("events.out.tfevents.*.bnrun"):
            file.unlink()
        if not any(other.iterdir()):
            other.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()


class GroupRuns:
    """Keeps the group runs of a sweep up to date while its block runs.

    study  the folder of the study
    runs   folders of the jobs, done or not
    by     as in write_groups; [] for no group runs
    say    for where they are, and for what goes wrong, which stops no job
    """

    def __init__(
        self,
        study: Path,
        runs: Sequence[Path],
        by: Sequence[str] | None,
        say: Callable[[str], None],
    ) -> None:
        self._study, self._runs, self._by, self._say = study, runs, by, say
        self._written: list[Path] = []
        self._groups: list[Path] = []
        self._pause = 1.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "GroupRuns":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop.set()
        if kind is None:
            self._thread.join()
            self._renew(self._say)
            if self._groups:
                self._say(f"group runs: tensorboard --logdir {self._study / GROUPS}")

    def _follow(self) -> None:
        while not self._stop.wait(self._pause):
            # Until the end there may be too few runs, or one half written.
            self._renew(lambda reason: None)

    def _renew(self, say: Callable[[str], None]) -> None:
        done = [run for run in self._runs if (run / RESULT).exists()]
        if self._by == [] or len(done) < 2 or done == self._written:
            return
        start = time.monotonic()
        try:
            self._groups = write_groups(self._study, done, self._by)
            self._written = done
        except (ValueError, OSError) as reason:
            say(f"no group runs: {reason}")
        self._pause = max(1.0, _SHARE * (time.monotonic() - start))
