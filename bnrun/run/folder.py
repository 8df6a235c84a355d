"""Removing a run's folder that turned out not to be needed."""

import shutil
from contextlib import suppress
from pathlib import Path

UNUSED = {".hydra", ".lock"}
"""What a folder holds before its run has started."""


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
