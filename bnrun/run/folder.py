"""Removing a run's folder that turned out not to be needed."""

import shutil
from pathlib import Path

UNUSED = {".hydra", ".lock"}
"""What a folder holds before its run has started."""


def remove_unused(folder: Path) -> None:
    """Remove a folder in which no run has started, and its study if that is empty."""
    if not folder.is_dir() or not {item.name for item in folder.iterdir()} <= UNUSED:
        return
    if (folder / ".lock").exists():
        # Imported here, because a config error need not wait for filelock.
        from bnrun.run.claim import is_claimed

        if is_claimed(folder):
            return  # Another process is about to start there.
    shutil.rmtree(folder)
    for parent in list(folder.parents)[:2]:
        if any(parent.iterdir()):
            break
        parent.rmdir()
