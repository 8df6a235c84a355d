"""Writes what a run measures, as it goes: TensorBoard's curves and the metrics file."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bnrun.recording import summaries, tags
from bnrun.recording.events import EventFile
from bnrun.recording.files import Digest
from bnrun.recording.metrics import MetricsFile, points
from bnrun.recording.records import Record
from bnrun.recording.tracker import Trackers
from bnrun.recording.view import View

MAIN = ""
"""Folder of the main TensorBoard run, in the run's."""


def seed_run(seed: int) -> str:
    """Folder of a seed's own TensorBoard run."""
    return f"seed={seed}"


class Recorder:
    """Writes the records of one run to its folder.

    folder       of the run; it must exist
    seeds        one per replica (R of them)
    per_seed     also write one TensorBoard run per seed, in the subfolder seed=<seed>
    resume_step  None restarts the recording and removes what an earlier run wrote to these files; a
                 number keeps what was recorded up to this step and drops the rest
    rewritten    TensorBoard runs ("" for the main one, or seed=<seed>) whose files are lost or
                 altered: they are removed, and their scalars written again from the metrics file
    view         which curves TensorBoard shows
    trackers     get the means of the same curves; one that resumes gets the whole history first

    TensorBoard's scalars are means over the seeds whose value is finite. The Custom Scalars tab
    has a chart for each curve with a band, in one category per section of tags: the mean and, for
    two or more finite seeds, the 95 % t interval of the mean (without width for one seed).
    Histograms hold the values of all seeds together.

    Raises ValueError if `resume_step` is given and there is no history, OSError if the folder
    cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        seeds: Sequence[int],
        per_seed: bool = False,
        resume_step: int | None = None,
        rewritten: Collection[str] = (),
        view: View = View(),  # noqa: B008  # immutable
        trackers: Trackers | None = None,
    ) -> None:
        self._folder, self._view, self._trackers = folder, view, trackers
        self._metrics = MetricsFile(folder, seeds, resume_step)
        self._step = resume_step or 0
        names = [MAIN, *(seed_run(seed) for seed in seeds if per_seed)]
        self._events, *self._seed_events = (
            EventFile(folder / name, None if name in rewritten else resume_step) for name in names
        )
        self._charted: dict[str, None] = {}
        if rewritten and resume_step is not None:
            self._rewrite([name in rewritten for name in names])
        if trackers and resume_step is not None:
            for step, rows, speed in points(folder):
                self._track(step, list(rows), np.array(list(rows.values())), speed)

    def write(self, record: Record) -> None:
        """Write one record to the metrics file and to TensorBoard."""
        names = list(record.scalars)
        values = _stacked(list(record.scalars.values()))
        self._step = record.step
        # Before the metrics file takes this record for the last one.
        speed = self._speed(record)
        summary = summaries.scalars({} if speed is None else {tags.SPEED: speed})
        rows = dict(zip(names, values.tolist(), strict=True))
        self._metrics.append(record.step, record.epoch, record.seconds, rows)
        self._track(record.step, names, values, speed)
        summary.MergeFrom(self._curves(names, values))
        for tag, samples in record.histograms.items():
            finite = samples[samples.isfinite()].detach().double().numpy()
            if finite.size:
                summary.MergeFrom(summaries.histogram(tag, finite))
        for tag, pictures in record.images.items():
            summary.MergeFrom(summaries.pictures(tag, pictures.detach().double().numpy()))
        self._events.write(record.step, summary)
        for events, column in zip(self._seed_events, values.T, strict=False):
            row = dict(zip(names, column.tolist(), strict=True))
            events.write(record.step, summaries.seed_curves(self._view, row))

    def _curves(self, names: Sequence[str], values: NDArray[np.float64]) -> Any:
        """Means and bands, and the charts of them if there are new ones."""
        summary = summaries.curves(self._view, names, values)
        if not self._charted.keys() >= set(names):
            self._charted |= dict.fromkeys(names)
            summary.MergeFrom(summaries.charts(self._view, self._charted))
        return summary

    def _track(
        self, step: int, names: Sequence[str], values: NDArray[np.float64], speed: float | None
    ) -> None:
        if self._trackers:
            measured = {} if speed is None else {tags.SPEED: speed}
            self._trackers.log(step, summaries.means(self._view, names, values) | measured)

    def _rewrite(self, lost: Sequence[bool]) -> None:
        """Write the scalars of the metrics file again, to the main run and the seeds' as marked."""
        main, *seeds = lost
        for step, rows, speed in points(self._folder):
            names, values = list(rows), np.array(list(rows.values()))
            if main:
                summary = summaries.scalars({} if speed is None else {tags.SPEED: speed})
                summary.MergeFrom(self._curves(names, values))
                self._events.write(step, summary)
            for n, events in enumerate(self._seed_events):
                if seeds[n]:
                    row = dict(zip(names, values[:, n].tolist(), strict=True))
                    events.write(step, summaries.seed_curves(self._view, row))

    def text(self, tag: str, markdown: str) -> None:
        """Show a text in TensorBoard's Text tab."""
        self._events.write(self._step, summaries.text(tag, markdown))

    def hparams(self, hparams: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """Show the run as a row of TensorBoard's HParams tab.

        hparams  name -> number, word, None, or anything with a str()
        scores   tag -> final value, written as a scalar
        """
        summary = summaries.scalars(scores)
        summary.MergeFrom(summaries.hyperparameters(hparams))
        self._events.write(self._step, summary)

    def track_scores(self, scores: Mapping[str, float]) -> None:
        """Send the final scores, tag -> mean over the seeds, to the trackers."""
        if self._trackers:
            self._trackers.log(self._step, scores)

    def flush(self) -> None:
        """Return when everything written so far is on the disk. Call it before a checkpoint."""
        self._metrics.sync()
        for events in (self._events, *self._seed_events):
            events.sync()

    def digests(self) -> dict[str, Digest]:
        """File of the run, relative to its folder -> what was written to it so far."""
        files = self._metrics.digests()
        for events in (self._events, *self._seed_events):
            files |= events.digests()
        return {str(path.relative_to(self._folder)): found for path, found in files.items()}

    def close(self) -> None:
        """Close all files, and end the run of each tracker."""
        self._metrics.close()
        if self._trackers:
            self._trackers.finish()
        for events in (self._events, *self._seed_events):
            events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _speed(self, record: Record) -> float | None:
        """Steps per second since the last record of an earlier step."""
        if self._metrics.last_time is None:
            return None
        step, seconds = self._metrics.last_time
        if record.step <= step or record.seconds <= seconds:
            return None
        return (record.step - step) / (record.seconds - seconds)


def write_curves(
    folder: Path,
    curves: Mapping[str, tuple[Sequence[int], NDArray[np.float64]]],
    text: str,
    view: View,
) -> None:
    """Write finished curves as a TensorBoard run, replacing what is in the folder.

    curves  tag -> steps [T] and values [T, R]; `view` says which are shown, as by Recorder
    text    Markdown for the Text tab

    Raises OSError if the folder cannot be written.
    """
    points: dict[int, dict[str, NDArray[np.float64]]] = {}
    for tag, (steps, values) in curves.items():
        for step, row in zip(steps, values, strict=True):
            points.setdefault(step, {})[tag] = row
    folder.mkdir(parents=True, exist_ok=True)
    events = EventFile(folder, None)
    head = summaries.text(tags.GROUP_ABOUT, text)
    head.MergeFrom(summaries.charts(view, curves))
    events.write(0, head)
    for step, rows in sorted(points.items()):
        events.write(step, summaries.curves(view, list(rows), np.stack(list(rows.values()))))
    events.close()


def _stacked(rows: Sequence[Tensor]) -> NDArray[np.float64]:
    """T tensors [R] as one array [T, R]."""
    if not rows:
        return np.empty((0, 0))
    array: NDArray[np.float64] = torch.stack(list(rows)).detach().double().numpy()
    return array
