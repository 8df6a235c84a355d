"""The history of a run as tables. Apart from metrics.py, because sweeps need not load polars."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from bnrun.recording.metrics import METRICS, TIMES, check_header


def read_metrics(folder: Path) -> pl.DataFrame:
    """Columns step, epoch, seed, tag, value of a run's history, finished or not.

    Raises ValueError if there is no history or if it is damaged.
    """
    return _read(
        folder / METRICS,
        {
            "step": pl.Int64,
            "epoch": pl.Float64,
            "seed": pl.Int64,
            "tag": pl.String,
            "value": pl.Float64,
        },
    )


def read_times(folder: Path) -> pl.DataFrame:
    """Columns step and seconds of a run's history. Raises ValueError as read_metrics does."""
    return _read(folder / TIMES, {"step": pl.Int64, "seconds": pl.Float64})


def _read(path: Path, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    if not path.is_file():
        raise ValueError(f"{path}: no such file, so there is no history to read")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    complete = content[: content.rfind(b"\n") + 1]
    check_header(path, complete[: complete.find(b"\n") + 1])
    try:
        frame = pl.read_csv(complete, schema=dict(schema), quote_char=None)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: damaged ({str(error).splitlines()[0]})") from error
    if frame.select(pl.col("step").is_null().any() | (pl.col("step") < 0).any()).item():
        raise ValueError(f"{path}: damaged, because a line has no step")
    return frame
