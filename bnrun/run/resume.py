"""Where a run goes on: at its own last good checkpoint, or at that of a shorter run."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bnrun.config.run_id import LENGTH
from bnrun.recording.metrics import METRICS, TIMES
from bnrun.recording.result import RESULT
from bnrun.run.checkpoint import (
    CHECKPOINT,
    PREVIOUS,
    DamagedError,
    Header,
    read_header,
    read_state,
)

HISTORY = (METRICS, TIMES)


class Point(NamedTuple):
    """A point that a training can go on from."""

    header: Header
    state: dict[str, Any]


def own_point(
    folder: Path, mine: Header, device: torch.device, say: Callable[[str], None]
) -> Point | None:
    """The last good point of the run in `folder`; None if it never came to a checkpoint.

    Raises ValueError if a checkpoint is of another config, of other data or of another version,
    or if there are checkpoints and none is good.
    """
    troubles = []
    for path in (folder / CHECKPOINT, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            header = read_header(path)
            _same(path, header, mine)
            _covered(folder, path, header)
            point = Point(header, read_state(path, device))
        except DamagedError as error:
            troubles.append(str(error))
            continue
        if troubles:
            say(f"{'; '.join(troubles)}: going back to {path.name} of step {header.step}")
        if header.torch != mine.torch:
            say(
                f"{path.name} was written with torch {header.torch}, this is {mine.torch}: what "
                f"follows may differ from an uninterrupted run in the last bits"
            )
        return point
    if troubles:
        raise ValueError(
            f"{folder}: {'; '.join(troubles)}, and there is no other checkpoint; "
            f"resume=never begins the run anew"
        )
    return None


def point_of_shorter_run(
    folder: Path, mine: Header, total: int, device: torch.device
) -> tuple[Path, Point] | None:
    """The furthest point at which a run of the same config, but for its length, went the same way.

    That is a checkpoint from before its end, as the last step logs and evaluates more.
    """
    config_hash = folder.name.split("-")[-2:-1]
    found: list[tuple[int, Path, Header]] = []
    for name in (CHECKPOINT, PREVIOUS):
        for path in folder.parent.glob(f"*-{''.join(config_hash)}-*/{name}"):
            try:
                header = read_header(path)
                _same(path, header, mine, but=LENGTH)
                _covered(path.parent, path, header)
            except ValueError:
                continue
            if path.parent != folder and not header.final and header.step < total:
                found.append((header.step, path, header))
    for _, path, header in sorted(found, key=lambda item: item[0], reverse=True):
        try:
            return path.parent, Point(header, read_state(path, device))
        except DamagedError:
            continue
    return None


def copy_history(source: Path, folder: Path) -> None:
    """Take the history of another run, which is left as it is, for the beginning of one's own."""
    for name in HISTORY:
        shutil.copyfile(source / name, folder / name)
    for events in source.glob("**/events.out.tfevents.*"):
        target = folder / events.relative_to(source)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(events, target)


def begin_anew(folder: Path) -> None:
    """Remove what an earlier run left, its result first; the recorder removes the history."""
    for name in (RESULT, CHECKPOINT, PREVIOUS):
        (folder / name).unlink(missing_ok=True)


def history_length(folder: Path) -> dict[str, int]:
    """Bytes of the files of a run's history, to know later whether any are missing."""
    return {name: (folder / name).stat().st_size for name in HISTORY}


def _same(path: Path, theirs: Header, mine: Header, but: tuple[str, ...] = ()) -> None:
    """Raises ValueError, with the first few differences."""
    differences = [
        f"{key} is {theirs.config.get(key, 'missing')} there and {mine.config.get(key, 'missing')}"
        f" here"
        for key in sorted(theirs.config.keys() | mine.config.keys())
        if key not in but and theirs.config.get(key) != mine.config.get(key)
    ]
    differences += [
        f"the data {name} have changed"
        for name in sorted(theirs.data.keys() | mine.data.keys())
        if theirs.data.get(name) != mine.data.get(name)
    ]
    if theirs.bnrun != mine.bnrun:
        differences.append(f"it was written by bnrun {theirs.bnrun}, this is {mine.bnrun}")
    if differences:
        raise ValueError(
            f"{path}: a checkpoint of another run: {', '.join(differences[:3])}; "
            f"resume=never begins the run anew"
        )


def _covered(folder: Path, path: Path, header: Header) -> None:
    """Raises DamagedError if the history has lost what was in it at the checkpoint."""
    for name, length in header.history.items():
        file = folder / name
        size = file.stat().st_size if file.is_file() else 0
        if size < length:
            raise DamagedError(f"{name} has lost {length - size} bytes since {path.name}")
