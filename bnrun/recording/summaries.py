"""What TensorBoard shows: scalars with bands, charts, histograms, images, texts, hparams."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from torch.utils.tensorboard import summary as torch_summary

from bnrun.recording import tags
from bnrun.recording.intervals import mean_interval
from bnrun.recording.tiles import png, tile

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


def banded(names: Sequence[str], values: NDArray[np.float64]) -> Summary:
    """Means over the seeds of values [T, R], T tags, and the edges of their bands."""
    mean, half, _ = mean_interval(values)
    half = np.where(np.isnan(half), 0.0, half)
    lower, upper = zip(*map(tags.band, names), strict=True) if names else ((), ())
    summary = Summary()
    for curves, points in ((names, mean), (lower, mean - half), (upper, mean + half)):
        shown = np.clip(points, -_LARGEST, _LARGEST).tolist()
        summary.MergeFrom(scalars(dict(zip(curves, shown, strict=True))))
    return summary


def charts(names: Iterable[str]) -> Summary:
    """The layout of the Custom Scalars tab: one margin chart per tag.

    One chart per tag lets TensorBoard merge the layouts of several runs.
    """
    layout: dict[str, dict[str, list[Any]]] = {}
    for tag in names:
        layout.setdefault(tags.section(tag), {})[tag] = ["Margin", [tag, *tags.band(tag)]]
    return _torch.custom_scalars(layout)


def histogram(tag: str, values: NDArray[np.float64]) -> Summary:
    """A histogram of finite values."""
    return _torch.histogram(tag, values, bins=_BINS)


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
