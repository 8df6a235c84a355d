"""`bnrun-report`: reports read files alone; `verify` runs a training, and is known here only."""

import sys
from collections.abc import Sequence

from bnrun.config.streams import use_forgiving_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns the exit status of the report or of `verify`."""
    use_forgiving_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["verify"]:
        from bnrun.run.verify import main as verify

        return verify(words[1:])
    from bnrun.report.command import main as report

    return report(words)
