"""What TensorBoard shows: scalars with bands, charts, histograms, images, texts, hparams."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from torch.utils.tensorboard import summary as torch_summary

from bnrun.recording import tags
from bnrun.recording.intervals import mean_interval
from bnrun.recording.tiles import png, tile
from bnrun.recording.view import View

_BINS = 64

# Events hold single precision. Clipped values keep the band of a loss that explodes.
_LARGEST = float(np.finfo(np.float32).max)

# torch's functions have no type hints.
_torch: Any = torch_summary


def scalars(values: Mapping[str, float]) -> Summary:
    """One point per tag; none for NaN and infinity, which would leave a curve without its band."""
    summary = Summary()
    for tag, value in values.items():
        if math.isfinite(value):
            summary.value.add(tag=tag, simple_value=value)
    return summary


def curves(view: View, names: Sequence[str], values: NDArray[np.float64]) -> Summary:
    """Means over the seeds of values [T, R], T tags, and the edges of bands, as `view` wants."""
    centres, halves, _ = mean_interval(values)
    widths = dict(zip(names, np.where(np.isnan(halves), 0.0, halves), strict=True))
    points = _shown(view, names, centres)
    for tag in names:
        if tag in points and view.has_band(tag):
            lower, upper = tags.band(tag)
            points |= {lower: points[tag] - widths[tag], upper: points[tag] + widths[tag]}
    return scalars({tag: _clipped(value) for tag, value in points.items()})


def means(view: View, names: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    """The means alone."""
    return _shown(view, names, mean_interval(values)[0])


def _shown(view: View, names: Sequence[str], centres: NDArray[np.float64]) -> dict[str, float]:
    """Those that `view` shows, with the goal's a second time."""
    points: dict[str, float] = {}
    for tag, mean in zip(names, centres.tolist(), strict=True):
        if view.goal is not None and tag == view.goal.tag:
            points[tags.goal(view.goal)] = mean
        if view.shows(tag):
            points[tag] = mean
    return points


def seed_curves(view: View, values: Mapping[str, float]) -> Summary:
    """The values of one seed, as `view` wants."""
    points = {tag: value for tag, value in values.items() if view.shows(tag)}
    if view.goal is not None and view.goal.tag in values:
        points[tags.goal(view.goal)] = values[view.goal.tag]
    return scalars(points)


def _clipped(value: float) -> float:
    return float(np.clip(value, -_LARGEST, _LARGEST))


def charts(view: View, names: Iterable[str]) -> Summary:
    """The layout of the Custom Scalars tab: a margin chart for each tag with a band.

    One chart per tag lets TensorBoard merge the layouts of several runs.
    """
    layout: dict[str, dict[str, list[Any]]] = {}
    if view.goal is not None:
        goal = tags.goal(view.goal)
        layout[tags.section(goal)] = {goal: ["Margin", [goal, *tags.band(view.goal.tag)]]}
    for tag in names:
        if view.shows(tag) and view.has_band(tag):
            layout.setdefault(tags.section(tag), {})[tag] = ["Margin", [tag, *tags.band(tag)]]
    return _torch.custom_scalars(layout)


def histogram(tag: str, values: NDArray[np.float64]) -> Summary:
    """A histogram of finite values.

    torch's own has the sum of squares from `dot`, which wakes NumPy's threads. They wait for more
    work on the cores that torch's threads need, for as long as a small job takes between two
    records: such jobs took twice the time.
    """
    counts, edges = np.histogram(values, bins=_BINS)
    filled = np.flatnonzero(counts)
    first, last = filled[0], filled[-1]
    # Buckets are given by their right edges alone, so an empty one has the first left edge.
    bars = HistogramProto(
        min=values.min(),
        max=values.max(),
        num=values.size,
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[first : last + 2],
        bucket=[0, *counts[first : last + 1]],
    )
    return Summary(value=[Summary.Value(tag=tag, histo=bars)])


def pictures(tag: str, values: NDArray[np.float64]) -> Summary:
    """Grey pictures [N, H, W] as one image."""
    pixels = tile(values)
    height, width = pixels.shape
    image = Summary.Image(
        height=height, width=width, colorspace=1, encoded_image_string=png(pixels)
    )
    return Summary(value=[Summary.Value(tag=tag, image=image)])


def text(tag: str, markdown: str) -> Summary:
    """A text of the Text tab."""
    return _torch.text(tag, markdown)


def hyperparameters(values: Mapping[str, Any]) -> Summary:
    """A row of the HParams tab; values are numbers, words, None or anything with a str().

    A column of TensorBoard must have values of one kind: where numbers and words meet, its filter
    drops the runs with numbers. So None is left out, words keep their name only if it has no dot,
    as that of a choice, and all else that is not a number has " (text)" after its name.
    """
    # No experiment summary: TensorBoard would apply the columns of one run to all of them.
    start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    for name, value in values.items():
        match value:
            case None:
                pass
            case int() | float() if not isinstance(value, bool):
                start.hparams[name].number_value = value
            case str() if "." not in name:
                start.hparams[name].string_value = value
            case _:
                start.hparams[f"{name} (text)"].string_value = str(value)
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    return Summary(
        value=[
            _plugin_value(metadata.SESSION_START_INFO_TAG, session_start_info=start),
            _plugin_value(metadata.SESSION_END_INFO_TAG, session_end_info=end),
        ]
    )


def _plugin_value(tag: str, **content: Any) -> Summary.Value:
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    plugin = SummaryMetadata.PluginData(
        plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString()
    )
    return Summary.Value(
        tag=tag,
        metadata=SummaryMetadata(plugin_data=plugin),
        tensor=metadata.NULL_TENSOR,
    )
