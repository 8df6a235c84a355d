"""What a sweep sets up for its jobs while they run, and removes afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bnrun.run.claim import SWEEP


@contextmanager
def named(name: str) -> Iterator[None]:
    """While the block runs, the jobs know the name of their sweep."""
    os.environ[SWEEP] = name
    try:
        yield
    finally:
        del os.environ[SWEEP]


@contextmanager
def only_if_used(folder: Path) -> Iterator[None]:
    """Remove `folder`, and those above it, if they are made while the block runs and stay empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # ends at the first that is missing or not empty
            for path in made:
                path.rmdir()
