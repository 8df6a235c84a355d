"""The command line of bnrun-report."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bnrun.recording.escape import visible
from bnrun.recording.tags import ScoreName
from bnrun.report.read.runs import find_runs, finished


def main(arguments: Sequence[str]) -> int:
    """Write and print a report; exit status 1 if there is none or if a file is damaged."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.watch and options.tensorboard:
        parser.error(
            "--watch and --tensorboard: give one of them, a sweep writes groups as it goes"
        )
    if options.watch:
        from bnrun.report.watch import watch

        return watch(options)
    try:
        found = find_runs(options.paths)
        finished(found)
        # Loads scipy, polars and matplotlib (1.1 s), which --help and errors need not wait for.
        from bnrun.report.produce import produce

        damaged = [*found.broken, *produce(found, options)]
    except (ValueError, OSError) as error:
        _tell(_sentence(error))
        return 1
    for sentence in damaged:
        _tell(f"left out: {sentence}")
    return 1 if damaged else 0


def _tell(sentence: str) -> None:
    print(visible(f"bnrun-report: {sentence}"), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bnrun-report",
        description="Compare runs: which estimator wins, by how much, and whether that is noise. "
        "Prints the report and writes report.md, report.html, and as CSV the runs (report.csv), "
        "the final scores (report-final.csv), the pairs (report-pairs.csv), every seed "
        "(report-seeds.csv) and contestants over all settings (report-aggregates.csv). "
        "`bnrun-report verify RUN` reruns the first steps of a run and compares the bits.",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="folder of a run, or one above several"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for report.* (default: the first PATH)"
    )
    parser.add_argument(
        "--score",
        type=_score_name,
        metavar="SPLIT/SCORE/WAY",
        help="score to compare by, e.g. test/accuracy/averaged (default: the goal that the runs "
        "name, on test; in the neurons' own way of evaluating if that is the same for all, "
        "otherwise in one that all runs have)",
    )
    parser.add_argument(
        "--better",
        choices=("more", "less"),
        help="whether more or less of that score is better, if the runs do not say",
    )
    parser.add_argument(
        "--by",
        nargs="+",
        metavar="SETTING",
        help="settings that compete, e.g. neuron (default: estimator, with its settings that "
        "differ)",
    )
    parser.add_argument(
        "--figures",
        action="store_true",
        help="also write the figures as PNG, SVG and PDF, as wide as a column of a paper",
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="also write the folder groups: for each contestant a TensorBoard run with its mean "
        "over seeds and settings",
    )
    parser.add_argument("--latex", action="store_true", help="also write report.tex, tables")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="rewrite the report whenever a run finishes, until Ctrl-C; an open report.html "
        "reloads itself",
    )
    return parser


def _score_name(word: str) -> ScoreName:
    parts = word.split("/")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(
            f"{word}: give split/score/way, e.g. test/accuracy/sampled"
        )
    return ScoreName(*parts)


def _sentence(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
