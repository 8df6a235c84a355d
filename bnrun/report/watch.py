"""bnrun-report --watch: a report that keeps up with a sweep."""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bnrun.recording.escape import visible
from bnrun.recording.result import RESULT
from bnrun.report.compare.overall import headline_of_all
from bnrun.report.produce import output_of, write_report
from bnrun.report.read.runs import find_runs, finished

_LOOK = 2.0
"""Seconds between two looks at the results."""

_RENEW = 10
"""Seconds after which the page reloads itself: a reader can finish a sentence."""


def watch(options: argparse.Namespace) -> int:
    """Write the report whenever results change, until Ctrl-C; returns the exit status 0."""
    page = output_of(options) / "report.html"
    _say(f"watching: {page} is rewritten when a run finishes and reloads itself; Ctrl-C ends")
    before: list[tuple[str, int]] | None = None
    try:
        while True:
            now = sorted(_results(options.paths))
            if now != before:
                _say(f"{time.strftime('%H:%M:%S')} {_written(options, _RENEW)}")
                before = now
            time.sleep(_LOOK)
    except KeyboardInterrupt:
        if before:
            # Once more, so that an open page stops renewing itself.
            _written(options, 0)
        _say(f"ended; {page} stays as it is" if before else "ended")
    return 0


def _written(options: argparse.Namespace, renew: int) -> str:
    """Write the report; returns what to say about it."""
    damaged: list[str] = []
    try:
        found = find_runs(options.paths)
        runs = finished(found)
        report, _ = write_report(found, options, damaged, renew)
    except (ValueError, OSError) as error:
        return f"waiting: {error}"
    left_out = len(found.broken) + len(damaged)
    counts = f"{len(runs)} finished, {len(found.unfinished)} unfinished"
    counts += f", {left_out} damaged" if left_out else ""
    return f"{counts}: {headline_of_all(report.verdicts)}" if report.verdicts else counts


def _results(paths: Sequence[Path]) -> Iterator[tuple[str, int]]:
    for path in paths:
        for result in path.glob(f"**/{RESULT}"):
            try:
                yield str(result), result.stat().st_mtime_ns
            except OSError:
                continue  # Removed since.


def _say(sentence: str) -> None:
    print(visible(f"bnrun-report: {sentence}"), flush=True)
