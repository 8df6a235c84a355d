"""Messages of a sweep; names of the user's are never markup, nor control characters."""

import shlex
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bnrun.config.plain import plain


def say(console: Console, text: str) -> None:
    """Print a line, however long it is."""
    console.print(Text(plain(text)), soft_wrap=True)


def quoted(path: Path) -> str:
    """A path as a word of a command line."""
    return shlex.quote(str(path))
