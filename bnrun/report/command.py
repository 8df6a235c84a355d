"""The command line of bnrun-report."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bnrun.report.runs import Found, find_runs
from bnrun.report.scores import NOTE
from bnrun.report.table import markdown, print_table, tabulate, write_csv

_WIDE = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point `bnrun-report`; exit status 1 if a result, or every one, could not be read."""
    options = _parser().parse_args(arguments)
    try:
        found = find_runs(options.paths)
        if not found.runs:
            raise ValueError(_nothing_finished(found))
        _report(found, options.output or options.paths[0])
    except (ValueError, OSError) as error:
        print(f"bnrun-report: {_sentence(error)}", file=sys.stderr)
        return 1
    for sentence in found.broken:
        print(f"bnrun-report: left out: {sentence}", file=sys.stderr)
    return 1 if found.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bnrun-report",
        description="Compare runs: one row per run, with 95 %% intervals over seeds. "
        "Prints the table and writes report.md and report.csv.",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a run's folder or one above several"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where report.* go (default: the first PATH)"
    )
    return parser


def _report(found: Found, output: Path) -> None:
    # A file or a pipe has no width of its own.
    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE)
    table = tabulate(found.runs)
    print_table(table, console)
    notes = [NOTE, *_unfinished(found)]
    for note in notes:
        console.print(Text(note), soft_wrap=True)
    output.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join([markdown(table), *notes])
    (output / "report.md").write_text(f"# Runs compared\n\n{text}\n")
    write_csv(table, output / "report.csv")
    console.print(Text(f"written: {output / 'report.md'}, {output / 'report.csv'}"), soft_wrap=True)


def _unfinished(found: Found) -> list[str]:
    return [
        f"unfinished: {folder}" + ("" if step is None else f", recorded up to step {step}")
        for folder, step in found.unfinished.items()
    ]


def _nothing_finished(found: Found) -> str:
    if found.broken:
        return found.broken[0]
    first = next(iter(found.unfinished))
    return (
        f"{len(found.unfinished)} runs and none of them finished (the first: {first}): "
        f"start their command again"
    )


def _sentence(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
