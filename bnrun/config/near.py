"""What somebody meant who wrote a name wrong."""

from collections.abc import Iterable
from difflib import get_close_matches


def meant(name: str, names: Iterable[str]) -> str | None:
    """The name that comes closest; for a key without its group, the key in the group."""
    known = list(names)
    ends = [key for key in known if key.endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    lower = {key.lower(): key for key in reversed(known)}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.76)
    return lower[close[0]] if close else None


def alternatives(name: str, names: Iterable[str]) -> str:
    """What to use instead: the name that was meant; if none is close, any of them."""
    known = list(names)
    close = meant(name, known)
    return f"did you mean {close}?" if close else f"use one of {', '.join(known)}"
