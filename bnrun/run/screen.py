"""The terminal: text of users is never markup there."""

from rich.console import Console


def screen(stderr: bool = False, quiet: bool = False) -> Console:
    """A console that prints text as it is: no brackets as styles, no :smile: as a picture."""
    return Console(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)
