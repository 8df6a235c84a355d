"""The history of a run as it is written: metrics.csv and times.csv.

metrics.csv  step,epoch,seed,tag,value: every scalar of every seed. Nothing in it depends
             on the clock, so a resumed run writes the same file as an uninterrupted one.
times.csv    step,seconds: wall time since training started.

Reading gives back exactly the floats that were written. The file of a run that was killed may end
in the middle of a line; readers ignore that line.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from bnrun.recording.files import Digest, Digester, replaced

METRICS = "metrics.csv"
TIMES = "times.csv"
COLUMNS = {METRICS: "step,epoch,seed,tag,value", TIMES: "step,seconds"}

# Bytes, more than the last line of either file has.
_TAIL = 4096


_Number = TypeVar("_Number", int, float)


class MetricsFile:
    """The two files of one run, open for writing.

    folder       of the run
    seeds        one per replica (R of them)
    resume_step  None starts empty files; a number keeps the history up to this step and appends

    Raises ValueError if there is no history to resume, OSError if it cannot be written.
    """

    def __init__(self, folder: Path, seeds: Sequence[int], resume_step: int | None = None) -> None:
        self._seeds = tuple(seeds)
        self._lines: dict[str, list[str]] = {}
        for path in (folder / METRICS, folder / TIMES):
            if resume_step is None:
                path.write_text(COLUMNS[path.name] + "\n")
            else:
                _cut(path, resume_step)
        self.last_time = _last_time(folder / TIMES)
        self._metrics = _Appended(folder / METRICS)
        self._times = _Appended(folder / TIMES)

    def append(
        self, step: int, epoch: float, seconds: float, values: Mapping[str, Sequence[float]]
    ) -> None:
        """Write one point of the history; `values` is tag -> one float per seed, [R]."""
        head = f"{step},{epoch!r},"
        rows = [
            f"{head}{label}{value!r}\n"
            for tag, row in values.items()
            for label, value in zip(self._labels(tag), row, strict=True)
        ]
        self._metrics.append("".join(rows).encode())
        if self.last_time is None or step > self.last_time[0]:
            self.last_time = (step, seconds)
            self._times.append(f"{step},{seconds!r}\n".encode())

    def sync(self) -> None:
        """Return when everything written so far is on the disk."""
        for one in (self._metrics, self._times):
            os.fsync(one.file.fileno())

    def digests(self) -> dict[Path, Digest]:
        """Both files, with what was written to them so far."""
        return {one.path: one.digester.digest for one in (self._metrics, self._times)}

    def close(self) -> None:
        """Close both files."""
        self._metrics.file.close()
        self._times.file.close()

    def _labels(self, tag: str) -> list[str]:
        if tag not in self._lines:
            if re.search(r'[,"\s]', tag) or not tag.isprintable():
                raise ValueError(
                    f"tag {tag!r}: a tag must not hold commas, quotes, spaces or control characters"
                )
            self._lines[tag] = [f"{seed},{tag}," for seed in self._seeds]
        return self._lines[tag]


class _Appended:
    """A file to append to, with a digest of all of it."""

    def __init__(self, path: Path) -> None:
        self.path, self.digester = path, Digester()
        self.digester.add(path.read_bytes())
        self.file = path.open("ab")

    def append(self, data: bytes) -> None:
        self.file.write(data)
        self.file.flush()
        self.digester.add(data)


class HistoryEnd(NamedTuple):
    """How far a run has got."""

    step: int
    epoch: float
    seconds: float


def history_end(folder: Path) -> HistoryEnd | None:
    """The end of a run's history; None if it has none.

    Raises ValueError if it is damaged, OSError if it cannot be read.
    """
    path = folder / METRICS
    line, time = _last_line(path), _last_time(folder / TIMES)
    if line is None or time is None:
        return None
    step, _, rest = line.partition(",")
    epoch = rest.partition(",")[0]
    return HistoryEnd(_number(path, int, step), _number(path, float, epoch), time[1])


def last_step(folder: Path) -> int | None:
    """The last step in a run's metrics.csv; None if it has none.

    Raises ValueError if the file is damaged or cannot be read.
    """
    path = folder / METRICS
    try:
        line = _last_line(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    step = line.partition(",")[0] if line else "0"
    if not (step.isascii() and step.isdigit()):
        raise ValueError(f"{path}: damaged, because its last line does not start with a step")
    return int(step) if line else None


class Point(NamedTuple):
    """All scalars of a step, tag -> one value per seed, and its number of steps per second.

    speed  None for the first step, and where the clock stood still
    """

    step: int
    values: dict[str, list[float]]
    speed: float | None


def points(folder: Path) -> Iterator[Point]:
    """The history of a run, step by step, as written so far. Raises ValueError if it is damaged."""
    path, times = folder / METRICS, folder / TIMES
    seconds = {
        _number(times, int, step): _number(times, float, time) for step, time in _rows(times)
    }
    before: int | None = None
    for text, rows in groupby(_rows(path), key=lambda row: row[0]):
        step, values, speed = _number(path, int, text), dict[str, list[float]](), None
        for _, _, _, tag, value in rows:
            values.setdefault(tag, []).append(_number(path, float, value))
        if before is not None and step in seconds and seconds[step] > seconds[before]:
            speed = (step - before) / (seconds[step] - seconds[before])
        before = step if step in seconds else before
        yield Point(step, values, speed)


def _rows(path: Path) -> Iterator[list[str]]:
    """The lines of a file after its header, in columns; without a last one that is incomplete."""
    columns = COLUMNS[path.name].count(",") + 1
    with path.open("rb") as file:
        check_header(path, file.readline())
        for number, line in enumerate(file, start=2):
            row = line.decode(errors="replace").rstrip("\n").split(",")
            if not line.endswith(b"\n"):
                return
            if len(row) != columns:
                raise ValueError(f"{path}: line {number} is damaged")
            yield row


def _cut(path: Path, step: int) -> None:
    """Keep the complete lines of a file up to and including `step`."""
    if not path.is_file():
        raise ValueError(
            f"{path}: no such file, so the run cannot resume from step {step}; restart it from "
            f"step 0 with resume=never"
        )
    with path.open("rb") as old, replaced(path) as new:
        new.writelines(_until(old, path, step))


def _until(file: BinaryIO, path: Path, step: int) -> Iterator[bytes]:
    header = file.readline()
    check_header(path, header)
    yield header
    for number, line in enumerate(file, start=2):
        first = line.partition(b",")[0]
        if not line.endswith(b"\n") or (first.isdigit() and int(first) > step):
            return
        if not first.isdigit():
            raise ValueError(
                f"{path}: line {number} is damaged; restart the run from step 0 with resume=never"
            )
        yield line


def check_header(path: Path, line: bytes) -> None:
    """Raises ValueError if this is not the first line of the file `path`."""
    if line != f"{COLUMNS[path.name]}\n".encode():
        raise ValueError(f"{path}: damaged, because its first line is not {COLUMNS[path.name]}")


def _last_time(path: Path) -> tuple[int, float] | None:
    line = _last_line(path)
    if line is None:
        return None
    step, _, seconds = line.partition(",")
    return _number(path, int, step), _number(path, float, seconds)


def _number(path: Path, kind: Callable[[str], _Number], text: str) -> _Number:
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError(f"{path}: damaged ({error})") from error


def _last_line(path: Path) -> str | None:
    """The last complete line after the header; None if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _TAIL)
        file.seek(start)
        lines = file.read().split(b"\n")[:-1]
    if start == 0:
        lines = lines[1:]
    return lines[-1].decode(errors="replace") if lines else None
