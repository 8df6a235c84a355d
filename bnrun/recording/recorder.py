"""What a run leaves behind while it goes: TensorBoard curves and the metrics file."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from torch import Tensor
from torch.utils.tensorboard import summary as torch_summary

from bnrun.recording import tags
from bnrun.recording.intervals import mean_interval
from bnrun.recording.metrics import MetricsFile
from bnrun.recording.records import Record
from bnrun.recording.tfrecord import RecordFile
from bnrun.recording.tiles import png, tile

_BINS = 64

# Events hold single precision; clipped, a loss that explodes still has its band.
_LARGEST = float(np.finfo(np.float32).max)

# Its functions are not typed.
_summaries: Any = torch_summary


class Recorder:
    """Writes the records of one run to its folder.

    folder       of the run; it exists
    seeds        one per replica (R of them)
    per_seed     also one TensorBoard run per seed, in the sub-folder seed=<seed>
    resume_step  None begins anew and removes what an earlier run left in these files; a number
                 goes on after this step: what was recorded later is dropped

    TensorBoard's scalars are means over the seeds whose value is finite. The Custom Scalars tab
    has one chart per tag, in one category per first word of the tag: the mean and, for two or
    more finite seeds, the 95 % t interval of the mean as a band (of no width for one seed).
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
    ) -> None:
        self._metrics = MetricsFile(folder, seeds, resume_step)
        self._step = resume_step or 0
        self._events = EventFile(folder, resume_step)
        self._seed_events = [
            EventFile(folder / f"seed={seed}", resume_step) for seed in seeds if per_seed
        ]
        self._charted: dict[str, None] = {}

    def write(self, record: Record) -> None:
        """Write one record to the metrics file and to TensorBoard."""
        names = list(record.scalars)
        values = _stacked(list(record.scalars.values()))
        self._step = record.step
        speed = self._speed(record)
        rows = dict(zip(names, values.tolist(), strict=True))
        self._metrics.append(record.step, record.epoch, record.seconds, rows)
        self._events.write(record.step, self._summary(record, names, values, speed))
        for events, column in zip(self._seed_events, values.T, strict=False):
            events.write(record.step, _scalars(dict(zip(names, column.tolist(), strict=True))))

    def text(self, tag: str, markdown: str) -> None:
        """Show a text in TensorBoard's Text tab."""
        self._events.write(self._step, _summaries.text(tag, markdown))

    def hparams(self, hparams: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """Show the run as a row of TensorBoard's HParams tab.

        hparams  name -> number, boolean or anything that has a text
        scores   tag -> final value, written as a scalar
        """
        # No experiment summary: TensorBoard would take the columns of one run for all of them.
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for name, value in hparams.items():
            match value:
                case bool():
                    start.hparams[name].bool_value = value
                case int() | float():
                    start.hparams[name].number_value = value
                case _:
                    start.hparams[name].string_value = str(value)
        end = plugin_data_pb2.SessionEndInfo(
            status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time()
        )
        summary = _scalars(scores)
        summary.value.extend(
            [
                _hparams_value(metadata.SESSION_START_INFO_TAG, session_start_info=start),
                _hparams_value(metadata.SESSION_END_INFO_TAG, session_end_info=end),
            ]
        )
        self._events.write(self._step, summary)

    def flush(self) -> None:
        """Return when all that was written is on the disk; call it before a checkpoint."""
        self._metrics.sync()
        for events in (self._events, *self._seed_events):
            events.sync()

    def close(self) -> None:
        """Close all files."""
        self._metrics.close()
        for events in (self._events, *self._seed_events):
            events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _speed(self, record: Record) -> dict[str, float]:
        """Steps per second since the last record of another step; call before it is written."""
        if self._metrics.last_time is None:
            return {}
        step, seconds = self._metrics.last_time
        if record.step <= step or record.seconds <= seconds:
            return {}
        return {tags.SPEED: (record.step - step) / (record.seconds - seconds)}

    def _summary(
        self, record: Record, names: list[str], values: NDArray[np.float64], speed: dict[str, float]
    ) -> Summary:
        summary = _scalars(speed)
        summary.MergeFrom(_banded(names, values))
        if not self._charted.keys() >= record.scalars.keys():
            self._charted |= dict.fromkeys(names)
            summary.MergeFrom(_summaries.custom_scalars(_layout(self._charted)))
        for tag, samples in record.histograms.items():
            finite = samples[samples.isfinite()].detach().double().numpy()
            if finite.size:
                summary.MergeFrom(_summaries.histogram(tag, finite, bins=_BINS))
        for tag, pictures in record.images.items():
            pixels = tile(pictures.detach().double().numpy())
            height, width = pixels.shape
            image = Summary.Image(
                height=height, width=width, colorspace=1, encoded_image_string=png(pixels)
            )
            summary.value.add(tag=tag, image=image)
        return summary


def write_curves(
    folder: Path, curves: Mapping[str, tuple[Sequence[int], NDArray[np.float64]]], text: str
) -> None:
    """Show curves as a TensorBoard run of their own, in place of what it was before.

    curves  tag -> steps [T] and values [T, R], shown as a recorder shows them: mean and band
    text    Markdown for the Text tab

    Raises OSError if the folder cannot be written.
    """
    points: dict[int, dict[str, NDArray[np.float64]]] = {}
    for tag, (steps, values) in curves.items():
        for step, row in zip(steps, values, strict=True):
            points.setdefault(step, {})[tag] = row
    folder.mkdir(parents=True, exist_ok=True)
    events = EventFile(folder, None)
    head = _summaries.text(tags.GROUP_ABOUT, text)
    head.MergeFrom(_summaries.custom_scalars(_layout(dict.fromkeys(curves))))
    events.write(0, head)
    for step, rows in sorted(points.items()):
        events.write(step, _banded(list(rows), np.stack(list(rows.values()))))
    events.close()


class EventFile:
    """The events of one TensorBoard run, from now on.

    Files are numbered, because TensorBoard reads them in the order of their names and the clock,
    by which its own writer names them, may jump back.
    """

    def __init__(self, folder: Path, resume_step: int | None) -> None:
        folder.mkdir(exist_ok=True)
        earlier = sorted(folder.glob("events.out.tfevents.*"))
        number = 1 + int(earlier[-1].name.split(".")[3]) if earlier else 0
        if resume_step is None:
            for path in earlier:
                path.unlink()
        self._records = RecordFile(folder / f"events.out.tfevents.{number:010d}.bnrun")
        self._write(Event(file_version="brain.Event:2"))
        # From this step on, TensorBoard forgets what it has read in earlier files. It heeds only
        # the second start it meets, so that the first file needs one too.
        first = 0 if resume_step is None else resume_step + 1
        self._write(Event(step=first, session_log=SessionLog(status=SessionLog.START)))

    def write(self, step: int, summary: Summary) -> None:
        """Append one event."""
        self._write(Event(step=step, summary=summary))

    def sync(self) -> None:
        """Return when all that was written is on the disk."""
        self._records.sync()

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())


def _stacked(rows: Sequence[Tensor]) -> NDArray[np.float64]:
    """T tensors [R] as one array [T, R]."""
    if not rows:
        return np.empty((0, 0))
    array: NDArray[np.float64] = torch.stack(list(rows)).detach().double().numpy()
    return array


def _scalars(values: Mapping[str, float]) -> Summary:
    """Values that are not numbers have no point: they would leave a curve without its band."""
    summary = Summary()
    for tag, value in values.items():
        if math.isfinite(value):
            summary.value.add(tag=tag, simple_value=value)
    return summary


def _banded(names: Sequence[str], values: NDArray[np.float64]) -> Summary:
    """Means over the seeds of values [T, R], and the edges of their bands."""
    mean, half, _ = mean_interval(values)
    half = np.where(np.isnan(half), 0.0, half)
    summary = Summary()
    lower, upper = zip(*map(tags.band, names), strict=True) if names else ((), ())
    for curves, edge in ((names, mean), (lower, mean - half), (upper, mean + half)):
        shown = np.clip(edge, -_LARGEST, _LARGEST).tolist()
        summary.MergeFrom(_scalars(dict(zip(curves, shown, strict=True))))
    return summary


def _layout(names: Mapping[str, None]) -> dict[str, dict[str, list[Any]]]:
    """One margin chart per tag, so that the layouts of several runs merge into one."""
    layout: dict[str, dict[str, list[Any]]] = {}
    for tag in names:
        layout.setdefault(tags.section(tag), {})[tag] = ["Margin", [tag, *tags.band(tag)]]
    return layout


def _hparams_value(tag: str, **content: Any) -> Summary.Value:
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    plugin = SummaryMetadata.PluginData(
        plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString()
    )
    return Summary.Value(
        tag=tag,
        metadata=SummaryMetadata(plugin_data=plugin),
        tensor=metadata.NULL_TENSOR,
    )
