"""A run's folder: whether it holds what it should, and removing it if it was not needed."""

import shutil
from contextlib import suppress
from pathlib import Path

from bnrun.config.errors import UserError

UNUSED = {".hydra", ".lock"}
"""What a folder holds before its run has started."""


_FILES = (
    *("metrics.csv", "times.csv", "result.json", "checkpoint.pt", "checkpoint.previous.pt"),
    *("run.log", "changes.patch", ".lock", ".lock.holder", ".hydra/*.yaml"),
    *("events.out.tfevents.*.bnrun", "seed=*/events.out.tfevents.*.bnrun"),
)
_FOLDERS = (".hydra", "seed=*")


def check_own(folder: Path) -> None:
    """Raises UserError if a name of a run's file or folder stands for a link, or for the other.

    A shared folder may hold links to anything; a run neither reads nor writes through them.
    """
    for patterns, is_right, kind in (
        (_FOLDERS, Path.is_dir, "folder"),
        (_FILES, Path.is_file, "file"),
    ):
        for path in (path for pattern in patterns for path in sorted(folder.glob(pattern))):
            if path.is_symlink():
                raise UserError(f"{path}: is a link, which runs do not follow: remove it")
            if not is_right(path):
                raise UserError(f"{path}: has to be a {kind} if it exists: remove it")


def remove_unused(folder: Path, made: Path | None = None) -> None:
    """Remove a folder in which no run has started, and those above it that this start has made.

    Whatever cannot be removed stays, without an error: there is a first one to report.

    made  the topmost folder to remove; None for `folder`
    """
    top = folder if made is None else made
    with suppress(OSError):
        if not {item.name for item in folder.iterdir()} <= UNUSED or not top.name:
            return
        if (folder / ".lock").exists():
            # Imported here, because a config error need not wait 5 ms for filelock.
            from bnrun.run.claim import is_claimed

            if is_claimed(folder):
                return  # Another process is about to start there.
            (folder / ".lock").unlink()
        if (folder / ".hydra").is_dir():
            shutil.rmtree(folder / ".hydra")
        here = Path.cwd()
        for path in (folder, *folder.parents):
            if not path.is_relative_to(top) or path in (here, *here.parents):
                return
            path.rmdir()  # ends here if it is not empty
