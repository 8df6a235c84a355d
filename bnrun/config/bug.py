"""From a bug to a short traceback, which ends in the user's own file and line if it is there."""

from traceback import TracebackException

from bnrun.config.errors import cause_of
from bnrun.config.frames import chain, library, own_frames, own_place
from bnrun.config.plain import plain


def short_traceback(error: BaseException) -> str:
    """The calls in the user's own code; if there are none, all from this package inwards."""
    report = TracebackException.from_exception(_root(error))
    part: TracebackException | None = report
    while part is not None:
        own = [frame for frame in part.stack if library(frame.filename) is None]
        ours = (n for n, f in enumerate(part.stack) if library(f.filename) == "bnrun")
        part.stack[:] = own or part.stack[next(ours, 0) :]
        if hasattr(part, "text"):  # A SyntaxError, or a subclass of it.
            part.stack.clear()  # The report itself names the file and the line.
        part = part.__cause__ or part.__context__
    return "".join(plain(line) + "\n" for part in report.format() for line in part.splitlines())


def whose(error: BaseException) -> str:
    """Where the bug is, in words."""
    where = own_place(error)
    if where is None:
        return "this is a bug of bnrun, or of a library: please report it with what is above"
    return plain(f"{type(_root(error)).__name__} in {where}: a bug of that code, not a setting")


def _root(error: BaseException) -> BaseException:
    """The exception to show: that of the user's own code, without what others wrapped around it."""
    return next((link for link in chain(error) if own_frames(link)), cause_of(error))
