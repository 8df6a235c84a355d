"""From the options of the command line to a report, written and printed."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bnrun.recording.escape import visible
from bnrun.report.compare.report import Report, make_report
from bnrun.report.compare.yardstick import Wanted
from bnrun.report.files import write_files
from bnrun.report.read.runs import FoundRuns
from bnrun.report.render.terminal import print_report

_WIDE = 1000
"""Columns of output that goes to a file or a pipe, which has no width."""


def produce(found: FoundRuns, options: argparse.Namespace) -> list[str]:
    """Write and print a report of the finished runs.

    Returns a sentence for each file that could not be read. Raises ValueError or OSError.
    """
    damaged: list[str] = []
    report, names = write_report(found, options, damaged)
    output = output_of(options)
    groups = _write_groups(output, options, damaged) if options.tensorboard else ""
    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE)
    print_report(report, console)
    console.print(Text(visible(f"written into {output}: {', '.join(names)}")), soft_wrap=True)
    if groups:
        console.print(Text(visible(groups)), soft_wrap=True)
    return damaged


def write_report(
    found: FoundRuns, options: argparse.Namespace, damaged: list[str], renew: int = 0
) -> tuple[Report, list[str]]:
    """Write a report of the finished runs; returns it, and the names of its files.

    damaged  gets a sentence for each file that cannot be read
    renew    seconds after which the page reloads itself; 0 for never

    Raises ValueError or OSError.
    """
    larger = options.better and options.better == "more"
    wanted = options.score and Wanted(options.score, larger)
    report = make_report(found, wanted, options.by)
    output = output_of(options)
    output.mkdir(parents=True, exist_ok=True)
    names = write_files(report, output, options.figures, options.latex, damaged, renew)
    return report, names


def output_of(options: argparse.Namespace) -> Path:
    """The folder that the report is written into."""
    chosen: Path = options.output or options.paths[0]
    return chosen


def _write_groups(output: Path, options: argparse.Namespace, damaged: list[str]) -> str:
    # Loads torch and TensorBoard (1.2 s), which the rest of a report does without.
    from bnrun.report.render.tensorboard import NO_GROUPS, write_groups

    unread: list[str] = []
    try:
        folders = write_groups(output, options.paths, options.by, unread)
        damaged += [sentence for sentence in unread if sentence not in damaged]
    except ValueError as error:
        return f"no group runs: {error}"
    if folders:
        return f"group runs: tensorboard --logdir {folders[0].parent}"
    return NO_GROUPS
