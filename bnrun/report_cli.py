"""Entry point of bnrun-report. `verify` trains, so it is not part of report/, which reads files."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a report or `verify`; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["verify"]:
        from bnrun.run.verify import main as verify

        return verify(words[1:])
    from bnrun.report.command import main as report

    return report(words)
