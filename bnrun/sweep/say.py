"""Messages of a sweep; users' names never become markup or control characters."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bnrun.config.plain import plain


def say(console: Console, text: str) -> None:
    """Print a line, however long it is."""
    console.print(Text(plain(text)), soft_wrap=True)


def names(folders: Iterable[Path]) -> dict[Path, str]:
    """What to call each run: by its folder, with the path to it if they are in several studies."""
    unique = list(dict.fromkeys(folders))
    several = len({folder.parent for folder in unique}) > 1
    return {folder: os.path.relpath(folder) if several else folder.name for folder in unique}


def quoted(path: Path) -> str:
    """A path as a word of a command line."""
    return shlex.quote(str(path))
