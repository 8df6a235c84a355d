"""Group runs for TensorBoard: means over many runs, written while a sweep goes on."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from bnrun.recording.result import RESULT

_SHARE = 20
"""Writing them takes at most one part in so many of the time."""


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
                self._say(f"group runs: tensorboard --logdir {self._groups[0].parent}")

    def _follow(self) -> None:
        while not self._stop.wait(self._pause):
            # Until the end there may be too few runs, or one half written.
            self._renew(lambda reason: None)

    def _renew(self, say: Callable[[str], None]) -> None:
        done = [run for run in self._runs if (run / RESULT).exists()]
        if self._by == [] or len(done) < 2 or done == self._written:
            return
        # Here, because it loads torch and TensorBoard, which a sweep's own process does without.
        from bnrun.report.render.tensorboard import write_groups

        start = time.monotonic()
        try:
            self._groups = write_groups(self._study, done, self._by)
            self._written = done
        except (ValueError, OSError) as reason:
            say(f"no group runs: {reason}")
        self._pause = max(1.0, _SHARE * (time.monotonic() - start))
