"""`bnrun-report`: reports read files alone; `verify` runs a training, and is known here only."""

import contextlib
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns the exit status of the report or of `verify`.

    A reader such as head that closes the pipe is not an error, nor is a terminal that cannot show
    every character.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            return _main(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            # Otherwise the interpreter would write the rest when it ends, and print the error.
            sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):  # It may not be a file.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _main(words: Sequence[str]) -> int:
    if words[:1] == ["verify"]:
        from bnrun.run.verify import main as verify

        return verify(words[1:])
    from bnrun.report.command import main as report

    return report(words)
