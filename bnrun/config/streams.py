"""Standard output and error that a closed pipe or a narrow encoding cannot break."""

import io
import os
import sys
from typing import Any, TextIO


class _Pipe(io.FileIO):
    """Takes whatever is written after its reader has gone, like `head` after its first line."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            return len(data)


def forgiving(stream: TextIO | None, original: TextIO | None) -> TextIO:
    """A standard stream as we use it; one that somebody has replaced stays as it is.

    Characters that its encoding lacks become question marks: a run must not fail over its table.
    """
    if stream is None:
        return open(os.devnull, "w")  # noqa: PTH123  # closed, as by >&-
    if stream is not original:
        return stream
    raw = io.BufferedWriter(_Pipe(stream.fileno(), "wb", closefd=False))
    return io.TextIOWrapper(
        raw, encoding=stream.encoding, errors="replace", line_buffering=stream.isatty()
    )


def use_forgiving_streams() -> None:
    """For the rest of this process."""
    sys.stdout = forgiving(sys.stdout, sys.__stdout__)
    sys.stderr = forgiving(sys.stderr, sys.__stderr__)
    sys.stderr.reconfigure(write_through=True)  # type: ignore[attr-defined]  # not in TextIO
