"""Whose code an exception comes from: the user's own, this package's, or a library's."""

import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from traceback import FrameSummary, StackSummary

_PACKAGE = Path(__file__).resolve().parents[1]
_PLUGINS = _PACKAGE.parent / "hydra_plugins"
_STANDARD = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]


@cache
def library(file: str) -> str | None:
    """The package that a file of code belongs to; None for the user's own code."""
    path = Path(file)
    if file.startswith("<"):
        return "python"  # compiled from a string, or frozen
    for installed in ("site-packages", "dist-packages"):
        if installed in path.parts:
            return path.parts[path.parts.index(installed) + 1].removesuffix(".py")
    path = path.resolve()
    if path.is_relative_to(_PACKAGE) or path.is_relative_to(_PLUGINS):
        return "bnrun"
    return "python" if any(path.is_relative_to(folder) for folder in _STANDARD) else None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that it was raised from."""
    known: set[int] = set()
    while error is not None and id(error) not in known:
        known.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def frames(error: BaseException) -> Sequence[FrameSummary]:
    """The stack of an exception below where it was caught, outermost call first."""
    stack = StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    if isinstance(error, SyntaxError) and error.filename:
        stack.append(FrameSummary(error.filename, error.lineno, "<module>"))
    return stack


def own_frames(error: BaseException) -> list[FrameSummary]:
    """The frames of the user's own code among them."""
    return [frame for frame in frames(error) if library(frame.filename) is None]


def passes_own_code(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised from, came out of the user's own code."""
    return any(own_frames(link) for link in chain(error))


def innermost_library(error: BaseException) -> str | None:
    """The package that raised an exception; None for the user's own code."""
    stack = frames(error)
    return library(stack[-1].filename) if stack else "python"


def own_place(error: BaseException) -> str | None:
    """The innermost line of the user's own code that an exception came from, in words."""
    own = [frame for link in chain(error) for frame in own_frames(link)[-1:]]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else None
