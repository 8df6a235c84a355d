"""Where a run resumes: at its own last intact checkpoint, or at that of a shorter run."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bnrun.config.errors import UserError
from bnrun.config.run_id import LENGTH
from bnrun.config.sentence import first_line
from bnrun.recording.files import Digest, digest
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
from bnrun.run.context import RunContext
from bnrun.run.identity import changes_of_code
from bnrun.training.loop import Training

HISTORY = (METRICS, TIMES)


class Point(NamedTuple):
    """A point from which a training can resume."""

    header: Header
    state: dict[str, Any]


def starting_point(context: RunContext, header: Header, training: Training) -> Point | None:
    """The point to resume from, loaded, with the history up to it in the run's folder.

    header  of the run's own config and data

    None for step 0. Raises ValueError as `own_point` does.
    """
    if context.settings.resume != "auto":
        return None
    folder, log = context.folder, context.log.info
    point = own_point(folder, header, training, log)
    if point is not None:
        log(f"resuming from step {point.header.step}")
        return point
    shorter = point_of_shorter_run(folder, header, training.total, training.device)
    if shorter is None:
        return None
    source, point = shorter
    try:
        restore(training, point, source / CHECKPOINT)
    except DamagedError as error:
        raise UserError(f"{source}: {error}; use resume=never to restart from step 0") from error
    copy_history(source, folder)
    log(f"resuming from step {point.header.step} of the shorter run {source.name}")
    return point


def own_point(
    folder: Path, expected: Header, training: Training, log: Callable[[str], None]
) -> Point | None:
    """The last intact checkpoint of the run in `folder`, loaded; None if it has written none.

    Raises ValueError if a checkpoint has another config, other data or another version, or if
    there are checkpoints but all are damaged.
    """
    damages = []
    for path in (folder / CHECKPOINT, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            header = read_header(path)
            _check_same(path, header, expected)
            _check_history(folder, path, header)
            point = Point(header, read_state(path, training.device))
            restore(training, point, path)
        except DamagedError as error:
            damages.append(str(error))
            continue
        if damages:
            log(f"{'; '.join(damages)}: using {path.name} of step {header.step} instead")
        if header.torch != expected.torch:
            log(
                f"{path.name} was written with torch {header.torch}, this is torch "
                f"{expected.torch}: the last bits may differ from those of an uninterrupted run"
            )
        changes = changes_of_code(header.code) if header.code else []
        if changes := [change for change in changes if not change.startswith("torch ")]:
            log(f"{path.name} was written by other code: {', '.join(changes)}")
        return point
    if damages:
        raise UserError(
            f"{folder}: {'; '.join(damages)}, and there is no other checkpoint; use resume=never "
            f"to restart from step 0"
        )
    return None


def point_of_shorter_run(
    folder: Path, expected: Header, total: int, device: torch.device
) -> tuple[Path, Point] | None:
    """The latest checkpoint of a run with the same config except its length, and its folder.

    Only a checkpoint from before the last step will do, because that step logs and evaluates more.
    """
    config_hash = folder.name.split("-")[-2:-1]
    candidates: list[tuple[int, Path, Header]] = []
    for name in (CHECKPOINT, PREVIOUS):
        for path in folder.parent.glob(f"*-{''.join(config_hash)}-*/{name}"):
            try:
                header = read_header(path)
                _check_same(path, header, expected, except_for=LENGTH)
                _check_history(path.parent, path, header)
            except ValueError:
                continue
            if path.parent != folder and not header.final and header.step < total:
                candidates.append((header.step, path, header))
    for _, path, header in sorted(candidates, key=lambda item: item[0], reverse=True):
        try:
            return path.parent, Point(header, read_state(path, device))
        except DamagedError:
            continue
    return None


def restore(training: Training, point: Point, path: Path) -> None:
    """Load a checkpoint. Raises DamagedError if a part is missing or does not fit the code."""
    try:
        training.load_state_dict(point.state["training"])
        if not isinstance(point.state["scalars"], dict):
            raise TypeError("its scalars are not a mapping")
    except (
        *(AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
    ) as error:
        # A custom estimator or model may have changed, which no version number tells.
        raise DamagedError(
            f"{path.name} of step {point.header.step} does not fit the current code "
            f"({first_line(error)})"
        ) from error


def copy_history(source: Path, folder: Path) -> None:
    """Copy the history of another run, as the beginning of this one's; links are not followed."""
    events = source.glob("**/events.out.tfevents.*")
    for path in (*(source / name for name in HISTORY), *events):
        if path.is_file() and not path.is_symlink():
            target = folder / path.relative_to(source)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)


def remove_earlier(folder: Path) -> None:
    """Remove an earlier run's result, then its checkpoints; the recorder removes its history."""
    for name in (RESULT, CHECKPOINT, PREVIOUS):
        (folder / name).unlink(missing_ok=True)


def _check_same(
    path: Path, header: Header, expected: Header, except_for: tuple[str, ...] = ()
) -> None:
    """Raises ValueError, listing the first few differences."""
    differences = [
        f"{key} is {header.config.get(key, 'missing')} there and "
        f"{expected.config.get(key, 'missing')} here"
        for key in sorted(header.config.keys() | expected.config.keys())
        if key not in except_for and header.config.get(key) != expected.config.get(key)
    ]
    differences += [
        f"the data {name} have changed"
        for name in sorted(header.data.keys() | expected.data.keys())
        if header.data.get(name) != expected.data.get(name)
    ]
    if header.bnrun != expected.bnrun:
        differences.append(f"it was written by bnrun {header.bnrun}, this is {expected.bnrun}")
    if differences:
        raise ValueError(
            f"{path}: a checkpoint of another run: {', '.join(differences[:3])}; use resume=never "
            f"to restart from step 0"
        )


def _check_history(folder: Path, path: Path, header: Header) -> None:
    """Raises DamagedError if the history is not what it was at the checkpoint."""
    for name in HISTORY:
        then = header.history.get(name, 0)
        size = then if isinstance(then, int) else then.size
        now = digest(folder / name, size) or Digest(0, "")
        if now.size < size:
            raise DamagedError(f"{name} has lost {size - now.size} bytes since {path.name}")
        if isinstance(then, Digest) and now != then:
            raise DamagedError(f"{name} has been altered since {path.name}")


def lost_events(folder: Path, header: Header, names: Iterable[str]) -> list[str]:
    """TensorBoard runs of which a file is missing, or not what it was at the checkpoint.

    names  folders of TensorBoard runs in that of the run; one without any file is lost, too
    """
    events = {Path(name): then for name, then in header.history.items() if name not in HISTORY}
    if not events:
        return []  # A checkpoint from before event files were listed.
    lost = []
    for name in names:
        own = {path: then for path, then in events.items() if path.parent == Path(name)}
        kept = [
            digest(folder / path, then.size) == then
            for path, then in own.items()
            if isinstance(then, Digest)
        ]
        if not kept or not all(kept):
            lost.append(name)
    return lost
